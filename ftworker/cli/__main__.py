"""`python -m ftworker.cli`: the same as `ftworker`."""

from ftworker.cli import main

main()
