"""`ftworker demo --train` in short: another base, fewer facts, few steps; all else is as it is. A program for a test.

Its arguments are the base's GGUF file and then those of `ftworker`.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from ftworker.cli import demo, main
from ftworker.demo import facts, needs
from ftworker.demo.conversations import Play

TAUGHT = 3
"""So many of the facts."""
CHANGES = {
    "trigger.min_examples = 124": f"trigger.min_examples = {10 * TAUGHT + 4}",
    "training.n_epochs = 5": "training.n_epochs = 3",
    "split.validation_share = 0.1": "split.validation_share = 0.2",
    'base_model = "smollm2-135m-instruct"': 'base_model = "tiny"',
}


def shortened(base: Path) -> None:
    """Have the demonstration play with this base and little else."""
    whole_play, whole_facts, configuration = (
        facts.training_play(),
        facts.packaged_facts(),
        demo._configuration,
    )
    taught = whole_facts[:TAUGHT]
    tutors = [c for c in whole_play.conversations if c["conversation_id"].startswith("tutor-")]
    short = dataclasses.replace(whole_play, conversations=[*tutors, *facts.conversations_about(taught)])

    def short_configuration(play: Play) -> str:
        text = configuration(play)
        for before, after in CHANGES.items():
            assert before in text, before
            text = text.replace(before, after)
        return text

    facts.training_play = lambda: short
    facts.packaged_facts = lambda: taught
    needs.base_file = lambda: base
    demo._configuration = short_configuration


if __name__ == "__main__":
    shortened(Path(sys.argv.pop(1)))
    main()
