"""What settings are made of: the types of their values and the class of every section."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,39}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
# Not croniter's own "R" and "H" (a random time, another at each look), nor a sixth field.
CRON_LINE = re.compile(r"@\w+|(?!.*\b[RrHh]\b)[\w*/,#-]+(?: +[\w*/,#-]+){4}")
CRON_EXPECTED = 'expected a cron line of five fields that comes at some time, such as "0 3 * * sun"'
LONGEST_SECONDS = 1e9
"""About 31 years. PostgreSQL refuses times that much longer ones would lead to."""
Seconds = Annotated[float, Field(ge=0, le=LONGEST_SECONDS)]
PositiveSeconds = Annotated[float, Field(gt=0, le=LONGEST_SECONDS)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of the configuration. An unknown key is an error: a misspelt setting must not be silently ignored."""

    # Not a number and infinity are numbers in TOML, and no time to wait.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
