"""The arithmetic, against the tables of etcd's FAQ and of peers' worked examples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcd_aws_cluster.core.quorum import allows_add, majority, survives


@pytest.mark.parametrize(("voters", "expected"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4), (9, 5)])
def test_a_majority_is_more_than_half(voters: int, expected: int) -> None:
    assert majority(voters) == expected


@pytest.mark.parametrize(
    ("voters", "unresponsive", "allowed"),
    [(1, 0, True), (2, 0, True), (3, 0, True), (3, 1, False), (5, 1, True), (4, 1, True), (4, 2, False)],
)
def test_a_newcomer_counts_as_a_voter_that_never_starts(voters: int, unresponsive: int, allowed: bool) -> None:  # noqa: FBT001
    assert allows_add(voters=voters, unresponsive=unresponsive) is allowed


@given(voters=st.integers(2, 9), unresponsive=st.integers(1, 9))
def test_removing_a_silent_voter_never_costs_a_quorum_that_is_there(voters: int, unresponsive: int) -> None:
    if unresponsive <= voters and survives(voters=voters, unresponsive=unresponsive):
        assert survives(voters=voters - 1, unresponsive=unresponsive - 1)
