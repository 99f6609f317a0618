"""A real browser without a window: what a page looks like to it, and what it complains about."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.servers import ServerMissing


def browse(profile: Path, url: str, *arguments: str) -> str:
    """Open a page once; `--dump-dom` among the arguments prints the document as it stands then.

    Returns that and the console's lines. `profile` is a folder of this call's own. The options keep Chromium from
    looking for hosts outside this machine.
    """
    program = shutil.which("chromium")
    if program is None:
        raise ServerMissing("chromium is not installed; run: apt-get install chromium")
    done = subprocess.run(
        [
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--enable-logging=stderr",
            f"--user-data-dir={profile}",
            *arguments,
            url,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout + "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
