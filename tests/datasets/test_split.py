"""The split: by group, stable, of the asked size, and the same in SQL."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ftworker.datasets.split import Split, group_point
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
