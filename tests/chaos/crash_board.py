"""What the processes of a plant and the one who lets them crash tell each other: a folder of small files.

The processes write which points they pass (`crash_hook`); here is read what was passed, and written where to crash.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.crash_hook import ARMS, PLANT_BUGS, SEEN, STRUCK
from tests.conftest import REPOSITORY

SITECUSTOMIZE = """
from pathlib import Path
from tests.chaos.crash_hook import install
install(Path(__file__).parent)
"""


@dataclass(frozen=True)
class Arm:
    """Where to crash: the first process that passes a name like `pattern` (a regular expression) for the `time`-th time
    of all processes.
    """

    pattern: str
    time: int = 1


@dataclass(frozen=True)
class Struck:
    """A process killed itself. `is_kept`: it was one that a supervisor starts again, and not a child of one."""

    key: str
    is_kept: bool
    name: str


@dataclass
class Crashed:
    """What came of points: those that were crashed at, those that no try came to, and what was wrong after them."""

    crashed: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


class Board:
    """The folder. Points have keys of the caller's choice, each used once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read = 0
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process of ours tell its points. Alone `PYTHONPATH`, which reaches all that it starts."""
        return {"PYTHONPATH": f"{self.folder}:{REPOSITORY}"}

    def plant_bugs(self) -> None:
        """Processes that start from now on have the bugs of `crash_planted`."""
        (self.folder / PLANT_BUGS).touch()

    def arm(self, arms: Mapping[str, Arm]) -> None:
        """Crash at these points and at no other from now on."""
        new = self.folder / f"{ARMS}.new"
        new.write_text(json.dumps({key: [arm.pattern, arm.time] for key, arm in arms.items()}))
        new.replace(self.folder / ARMS)

    def struck(self) -> list[Struck]:
        """All crashes so far."""
        file = self.folder / STRUCK
        return [Struck(*json.loads(line)) for line in _lines(file)]

    def passed(self) -> Counter[str]:
        """How often each point was passed since this was asked last."""
        file = self.folder / SEEN
        if not file.exists():
            return Counter()
        with file.open(encoding="utf-8") as seen:
            seen.seek(self._read)
            lines = seen.readlines()
            self._read = seen.tell()
        return Counter(line.rstrip("\n") for line in lines)


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []
