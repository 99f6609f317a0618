"""What a command works with: the installation, its servers found (or started, where they are the embedded ones)."""

from __future__ import annotations

import logging

from ftworker.installation import Installation, open_installation
from ftworker.logs import setup_logging


def load(*, start_servers: bool = True, logs: bool = False) -> Installation:
    """The installation for this command. Raises ConfigurationError; main() prints it and ends with 2.

    `logs` is for commands that are processes (ingest, web); the others only print what they are asked.
    """
    setup_logging(logging.INFO if logs else logging.ERROR)
    return open_installation(start_servers=start_servers)
