"""How to run a program as nobody when we are root, because PostgreSQL refuses to run as user id 0.

Never changes the identity of this process; it only says how to start another. `servers` is its caller.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from ftworker.errors import PermanentError

# `nobody` has this number on Debian, Fedora, Alpine and in the images built from them.
NOBODY = 65534

# Reading past directory permissions lets nobody reach a virtual environment below a 0700 /root.
_READ_ANYWHERE = "+dac_override,+dac_read_search"


class NoUnprivilegedUser(PermanentError):
    """We are root and no way was found to run a program as another user. A person must choose one."""


class Credentials(TypedDict, total=False):
    """The keyword arguments of `subprocess.Popen` that change the user of a child."""

    user: int
    group: int
    extra_groups: Sequence[int]


@dataclass(frozen=True)
class Launch:
    """A way to start a program: words to put before its command line, and arguments for `Popen`.

    `uid` and `gid` are who the program will be: its data directory must belong to them.
    """

    name: str
    prefix: tuple[str, ...]
    credentials: Credentials
    uid: int
    gid: int

    def command(self, *arguments: str | Path) -> list[str]:
        return [*self.prefix, *(str(argument) for argument in arguments)]


def unprivileged(program: Path) -> Launch:
    """Return a way to run `program` as a user other than root; for an ordinary user, as that user.

    Each way is tried with `program --version`, since a container may lack `setpriv`, its capabilities or the
    right to change user. Raises NoUnprivilegedUser, which says what each way answered and what to do.
    """
    if os.geteuid() != 0:
        return Launch("as this user", (), {}, os.geteuid(), os.getegid())
    failures = []
    for launch in _ways():
        failure = _try(launch, program)
        if failure is None:
            return launch
        failures.append(f"  {launch.name}: {failure}")
    raise NoUnprivilegedUser(
        f"{program} must not run as root, and user {NOBODY} (nobody) cannot run it:\n"
        + "\n".join(failures)
        + "\nRun ftworker as an ordinary user, or install it where every user may read (a virtual environment"
        " below /opt, not below /root), or set FTWORKER_DATABASE_URL to a PostgreSQL server of yours."
    )


def _ways() -> Iterator[Launch]:
    setpriv = shutil.which("setpriv")
    if setpriv is not None:
        change = (setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        read_anywhere = (f"--inh-caps={_READ_ANYWHERE}", f"--ambient-caps={_READ_ANYWHERE}")
        yield Launch("setpriv, may read anywhere", (*change, *read_anywhere), {}, NOBODY, NOBODY)
        yield Launch("setpriv", change, {}, NOBODY, NOBODY)
    credentials: Credentials = {"user": NOBODY, "group": NOBODY, "extra_groups": ()}
    yield Launch("setuid", (), credentials, NOBODY, NOBODY)


def _try(launch: Launch, program: Path) -> str | None:
    """Run `program --version` that way. Returns None when it works, else why it does not."""
    try:
        answer = subprocess.run(
            launch.command(program, "--version"),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",  # the directory that we stand in may be closed to nobody
            stdin=subprocess.DEVNULL,
            **launch.credentials,
        )
    except OSError as error:
        return f"{error.strerror} ({error.filename})"
    if answer.returncode != 0:
        return answer.stderr.strip() or f"exit status {answer.returncode}"
    return None
