"""Personal data in conversations: found, redacted, or sent to a person who decides. Pure: no I/O.

`scan.Scanner` finds and redacts; `wellbeing.sensitive` tells confidences from lessons. The rules: `numbers`,
`contacts`, `addresses` and `dates` for what has a shape, `names` for what has none. docs/PRIVACY.md says what remains.
"""

from ftworker.curation.privacy.kinds import Finding, Kind
from ftworker.curation.privacy.scan import Redacted, Scanner
from ftworker.curation.privacy.wellbeing import sensitive

__all__ = ["Finding", "Kind", "Redacted", "Scanner", "sensitive"]
