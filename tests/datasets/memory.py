"""How much memory a process ever held, told by itself."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def peak_kib() -> int:
    """Peak resident memory in KiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: on Linux a child begins with its parent's.
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak
