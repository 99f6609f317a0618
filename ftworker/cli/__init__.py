"""The command line: `ftworker`. Each command lives in the module of its area and is loaded only when it is called.

So `ftworker --help` starts in a fraction of the time that Celery or the OpenAI package take to import.
"""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from importlib import import_module

import click

from ftworker import __version__

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("ftworker.cli.demo:demo", "Run the whole job on example conversations, with nothing installed."),
    "up": ("ftworker.cli.operate:up", "Start every process in this terminal."),
    "status": ("ftworker.cli.operate:status", "What waits, what runs, what needs a person."),
    "doctor": ("ftworker.cli.operate:doctor", "Check everything ftworker needs, and say what to do."),
    "triggers": (
        "ftworker.cli.triggers:triggers",
        "Why each pipeline did or did not fire; what its next run takes.",
    ),
    "runs": ("ftworker.cli.runs:runs", "Start, list, show, cancel, retry fine-tuning runs."),
    "redact": (
        "ftworker.cli.privacy:redact",
        "Redact personal data in texts: JSON lines in, JSON lines out.",
    ),
    "curate": ("ftworker.cli.curate:curate", "What becomes of one conversation, and why, rule by rule."),
    "datasets": ("ftworker.cli.datasets:datasets", "List, show, compare, export and check datasets."),
    "sources": ("ftworker.cli.sources:sources", "List and try the stores of conversations."),
    "backfill": ("ftworker.cli.sources:backfill", "Take in the conversations a store already holds."),
    "publish": ("ftworker.cli.events:publish", "Publish conversation.closed events from a file."),
    "parked": (
        "ftworker.cli.events:parked",
        "Messages that could not be used: list, show, collect, replay, drop.",
    ),
    "quarantine": (
        "ftworker.cli.quarantine:quarantine",
        "Conversations that wait for a person: list, show, release, reject.",
    ),
    "ingest": ("ftworker.cli.events:ingest", "Process: take events from the broker into the inbox."),
    "web": ("ftworker.cli.web:web", "Process: serve /metrics, /healthz and the status page."),
    "health": ("ftworker.cli.health:health", "Whether a process of this host lives; for containers."),
    "migrate": ("ftworker.cli.operate:migrate", "Bring the database schema up to date."),
    "config": ("ftworker.cli.operate:config", "Check and show the configuration."),
}


class LazyGroup(click.Group):
    """A group that knows its commands' names and short helps, and imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        near = get_close_matches(args[0], COMMANDS, n=1)
        if near and args[0] not in COMMANDS:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, short) for name, (_, short) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example:  ftworker demo\n\nEvery command explains itself:  ftworker runs --help",
)
@click.version_option(__version__, prog_name="ftworker")
def cli() -> None:
    """Retrain a RAG's language model from its own conversations, unattended.

    Configuration: config/ftworker.toml (or FTWORKER_CONFIG) and the environment. Exit codes: 0 well, 1 the answer is
    no or the work failed, 2 wrong usage or configuration.
    """


def main() -> None:
    """The console script. Ends with an exit code; errors of ftworker are one message, not a traceback."""
    from ftworker.errors import ConfigurationError, FtworkerError

    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        raise SystemExit(2) from None
    except click.exceptions.Exit as stop:
        raise SystemExit(stop.exit_code) from None
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        raise SystemExit(1) from None
    except FtworkerError as error:
        from ftworker.cli.output import fail

        fail(str(error), 2 if isinstance(error, ConfigurationError) else 1)
    except BrokenPipeError:
        # Nobody reads any more, so nothing is written at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except Exception as error:  # noqa: BLE001 - a bug: its place is shown, and not its text, which may hold a row
        from ftworker.logs import SafeFormatter

        click.echo(SafeFormatter().formatException((type(error), error, error.__traceback__)), err=True)
        raise SystemExit(1) from None
