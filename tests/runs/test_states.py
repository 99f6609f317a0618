"""The states of a run and the moves between them: the table is the specification."""

from __future__ import annotations

import re

import pytest

from ftworker.runs.states import (
    CHAIN,
    IN_FLIGHT,
    MOVES,
    SUCCEEDED,
    RunState,
    Step,
    can_move,
    next_step,
    remaining_chain,
)
from ftworker.runs.steps import STATES_OF_STEP
from ftworker.store import Store

# Written by hand beside MOVES on purpose: one of the two shows what changed.
LEGAL = {
    "cut": "exported failed cancelled",
    "exported": "awaiting_approval uploaded failed cancelled",
    "awaiting_approval": "exported cancelled",
    "uploaded": "submitting failed cancelled",
    "submitting": "submitted uploaded failed parked",
    "submitted": "trained packaged failed cancelled parked",
    "trained": "promoted rejected",
    "promoted": "promoted",
    "packaged": "uploaded cut",
    "rejected": "promoted",
    "failed": "cut uploaded",
    "cancelled": "cut",
    "parked": "submitted submitting uploaded failed cancelled",
}

NEXT = {
    "cut": Step.EXPORT,
    "exported": Step.UPLOAD,
    "awaiting_approval": None,
    "uploaded": Step.CREATE_JOB,
    "submitting": Step.CREATE_JOB,
    "submitted": Step.POLL_STATUS,
    "trained": Step.PROMOTE,
    "promoted": None,
    "packaged": None,
    "rejected": None,
    "failed": None,
    "cancelled": None,
    "parked": None,
}


@pytest.mark.parametrize("origin", list(RunState))
@pytest.mark.parametrize("target", list(RunState))
def test_a_move_is_legal_exactly_where_the_table_says_so(origin: RunState, target: RunState) -> None:
    assert can_move(origin, target) == (target in LEGAL[origin].split())


def test_every_state_has_its_moves() -> None:
    assert set(MOVES) == set(RunState) == {RunState(name) for name in LEGAL}


@pytest.mark.parametrize("state", list(RunState))
def test_every_state_has_its_next_step(state: RunState) -> None:
    assert next_step(state) == NEXT[state]


@pytest.mark.parametrize("state", list(RunState))
def test_what_is_left_of_the_chain_begins_with_the_next_step_and_ends_with_the_last(state: RunState) -> None:
    left = remaining_chain(state)
    step = NEXT[state]
    if step is None:
        assert left == ()
    elif step is Step.PROMOTE:
        assert left == (Step.PROMOTE,)
    else:
        assert left[0] is step
        assert left == CHAIN[-len(left) :]


def test_every_step_leads_out_of_some_state_and_no_state_has_two() -> None:
    assert set(STATES_OF_STEP) == set(Step)
    assert all(STATES_OF_STEP.values())
    states = [state for states in STATES_OF_STEP.values() for state in states]
    assert len(states) == len(set(states))


def test_a_run_that_is_in_flight_can_always_end_and_one_that_is_over_never_moves_by_itself() -> None:
    for state in IN_FLIGHT:
        assert _reachable(state) & {RunState.CANCELLED, RunState.FAILED, RunState.TRAINED}, state
    # What leads out of an end is a person's doing: retry, promote, reject. A trained run may promote itself.
    for state in set(RunState) - IN_FLIGHT - {RunState.TRAINED}:
        assert next_step(state) is None, state


def _reachable(origin: RunState) -> set[RunState]:
    found: set[RunState] = set()
    waiting = [origin]
    while waiting:
        state = waiting.pop()
        for target in MOVES[state] - found:
            found.add(target)
            waiting.append(target)
    return found


def test_what_succeeded_is_over() -> None:
    assert not SUCCEEDED & IN_FLIGHT


def _definition(database_url: str, query: str) -> str:
    store = Store(database_url)
    with store.transaction() as cursor:
        cursor.execute(query)
        text: str = cursor.fetchone()[0]
    store.close()
    return text


def _states_in(text: str) -> set[str]:
    return set(re.findall(r"'(\w+)'::text", text))


def test_the_database_knows_exactly_these_states(database_url: str) -> None:
    check = _definition(
        database_url,
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'runs_state_known'",
    )
    assert _states_in(check) == {state.value for state in RunState}


def test_the_database_and_the_code_agree_on_which_states_keep_a_pipeline_busy(database_url: str) -> None:
    index = _definition(database_url, "SELECT pg_get_indexdef('ftworker.runs_one_in_flight'::regclass)")
    assert "UNIQUE" in index
    assert _states_in(index) == {state.value for state in IN_FLIGHT}


def test_the_database_says_finished_of_exactly_the_states_that_are_not_in_flight(database_url: str) -> None:
    check = _definition(
        database_url,
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'runs_finished_check'",
    )
    assert _states_in(check) == {state.value for state in RunState} - {state.value for state in IN_FLIGHT}
