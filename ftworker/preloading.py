"""What every child of a worker needs, loaded by the worker before it forks: held in memory once, and there already in a
child that takes a dead one's place. Connects nowhere and starts no thread: neither outlives a fork.
"""

from __future__ import annotations

import gc
from contextlib import suppress

from ftworker.conversations import Conversation, Message
from ftworker.curation.curate import curate
from ftworker.errors import FtworkerError
from ftworker.providers.registry import warm_up
from ftworker.settings import Settings
from ftworker.tokenizers import counter_for

_QUESTION = (
    "Me llamo Ana Pérez, vivo en la calle Mayor 3 y en Instagram soy zarpa.azul9. ¿Qué es la fotosíntesis y por "
    "qué la hacen las plantas?"
)
_ANSWER = (
    "Es el proceso por el que las plantas convierten la luz en energía química dentro de sus cloroplastos."
)
_CONVERSATION = Conversation(
    "preloading",
    "preloading",
    (Message(role="user", content=_QUESTION), Message(role="assistant", content=_ANSWER)),
)
"""With a name, an address and an account, so that the lists and the models of all are read."""


def load_before_the_fork(settings: Settings) -> None:
    """Load vocabularies, word lists, patterns, and the providers' packages. Never raises: what cannot be loaded says so
    to whoever needs it.

    100 MB a child otherwise, and 1.3 s of processor time before its first conversation (docs/BENCHMARKS.md).
    """
    for name, pipeline in settings.pipelines.items():
        with suppress(FtworkerError):
            curate(_CONVERSATION, pipeline.curation, counter=counter_for(settings, name))
    warm_up(settings)
    # A child that collects garbage would write into the pages of all these objects, and so get copies of them.
    gc.collect()
    gc.freeze()
