"""How a provider fails in the tests of a run, and the state in which a run makes each of its calls."""

from __future__ import annotations

from ftworker.errors import DatabaseUnavailable, PermanentError
from ftworker.providers.contract import NeedsPerson, OutcomeUnknown, ProviderRejected, ProviderUnavailable
from ftworker.runs.states import RunState, Step, next_step
from tests.doubles.fake_provider import Method

PERSON = None
"""Nothing is due: a person's turn, or the end."""

STARTS: dict[Method, RunState] = {
    "preflight": RunState.EXPORTED,
    "upload": RunState.EXPORTED,
    "submit": RunState.UPLOADED,
    "reconcile": RunState.SUBMITTING,
    "poll": RunState.SUBMITTED,
    "cancel": RunState.SUBMITTED,
    "promote": RunState.TRAINED,
}

UNAVAILABLE = ProviderUnavailable("busy", code="rate_limit")
REJECTED = ProviderRejected("no", code="no_such_model")
UNKNOWN = OutcomeUnknown("silence")
PERSON_NEEDED = NeedsPerson("look")
PERMANENT = PermanentError("wrong configuration")
DATABASE = DatabaseUnavailable("gone for a moment")
BUG = RuntimeError("a row of somebody's conversation")


def step_of(method: Method) -> Step:
    step = next_step(STARTS[method])
    assert step is not None
    return step
