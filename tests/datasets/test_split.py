"""The split: by group, stable, of the asked size, and the same in SQL."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ftworker.datasets.split import Side, Split, group_point
from ftworker.store import Store

groups = st.text(min_size=1, max_size=40)


@given(groups, groups, st.floats(0, 0.99))
def test_a_group_falls_on_one_side_and_stays_there(group: str, salt: str, share: float) -> None:
    assert Split(share, salt).validates(group) == Split(share, salt).validates(group)


@given(groups, st.floats(0, 0.99), st.floats(0, 0.99))
def test_a_larger_share_only_adds_groups_to_validation(group: str, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert Split(large, "s").validates(group) or not Split(small, "s").validates(group)


@given(groups)
def test_no_group_validates_at_share_zero(group: str) -> None:
    assert not Split(0.0, "s").validates(group)


def test_the_share_is_kept_and_another_salt_draws_anew() -> None:
    users = [f"user-{number}" for number in range(20_000)]
    first = {user for user in users if Split(0.1, "ftworker").validates(user)}
    second = {user for user in users if Split(0.1, "other").validates(user)}
    assert 1_800 < len(first) < 2_200
    assert 120 < len(first & second) < 280  # a tenth of a tenth: independent


def test_the_point_of_a_group_never_changes() -> None:
    assert group_point("user-1", "ftworker") == 0x3946FCF97D6B60A
    assert group_point("ñ", "s") < 1 << 60


def test_sql_computes_the_same_points(database_url: str) -> None:
    names = ["user-1", "ñandú", "", "a:b", "😀"]
    store = Store(database_url)
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT name, ('x' || left(encode(sha256(convert_to(%s || ':' || name, 'UTF8')), 'hex'), 15))"
            "::bit(60)::bigint AS point FROM unnest(%s::text[]) AS name",
            ("ftworker", names),
        )
        points = {row.name: row.point for row in cursor.fetchall()}
    store.close()
    assert points == {name: group_point(name, "ftworker") for name in names}


def test_golden_users_are_drawn_apart_from_those_that_validate() -> None:
    split = Split(0.1, "ftworker", 0.05)
    users = [f"user-{number}" for number in range(20_000)]
    sides = {side: {user for user in users if split.side(user) is side} for side in Side}
    assert 850 < len(sides[Side.GOLDEN]) < 1_150
    assert 70 < sum(split.validates(user) for user in sides[Side.GOLDEN]) < 130
    assert sides[Side.VALIDATION] == {user for user in users if split.validates(user)} - sides[Side.GOLDEN]
    assert {user for user in users if Split(0.3, "ftworker", 0.05).golden(user)} == sides[Side.GOLDEN]


@given(groups)
def test_without_a_golden_share_nobody_is_kept(group: str) -> None:
    assert Split(0.5, "s").side(group) is not Side.GOLDEN


def test_sql_computes_the_same_golden_users(database_url: str) -> None:
    split = Split(0.1, "ftworker", 0.3)
    names = [f"user-{number}" for number in range(200)]
    store = Store(database_url)
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT name FROM unnest(%s::text[]) AS name "
            "WHERE ('x' || left(encode(sha256(convert_to(%s || ':golden:' || name, 'UTF8')), 'hex'), 15))"
            "::bit(60)::bigint < %s * (1::bigint << 60)",
            (names, split.salt, split.golden_share),
        )
        found = {row.name for row in cursor.fetchall()}
    store.close()
    assert found == {name for name in names if split.side(name) is Side.GOLDEN}
