"""A bounded search of every scope, and the tools that a finding is told with."""

from __future__ import annotations

import random

import pytest

from tests.explorer.fold import settle
from tests.explorer.progress import Progress
from tests.explorer.scopes import SCOPES, known_problems
from tests.explorer.search import Scope, explore, replay, successors
from tests.explorer.state import ENDED, READY, Budget, with_node

STATES, SECONDS = 2_000, 20


@pytest.mark.parametrize("name", SCOPES)
def test_no_interleaving_breaks_a_rule(name: str) -> None:
    result = explore(SCOPES[name], states=STATES, seconds=SECONDS, known=known_problems(name))
    assert not result.findings, "\n\n".join(map(str, result.findings))
    assert result.is_exhausted or result.states >= STATES or result.seconds >= SECONDS


def test_a_scope_that_is_small_enough_is_exhausted() -> None:
    result = explore(SCOPES["last-1"], states=10**6, seconds=60, known=known_problems("last-1"))
    assert result.is_exhausted
    assert result.states > 100


def test_a_rule_that_is_broken_is_told_as_a_shortest_story_that_can_be_replayed() -> None:
    start = SCOPES["replace-3"].start
    split = with_node(start, 0, cluster=2)._replace(budget=Budget(launch=0, lose=3))
    found = explore(Scope("replace-3", split), states=100, seconds=10).findings
    assert found[0].problem.startswith("INV-1")
    again, story, problem = replay(Scope("replace-3", split), found[0].token)
    assert (tuple(story), problem) == (found[0].story, found[0].problem)
    assert again.nodes
    assert str(found[0]).splitlines()[-1].strip().startswith("replay: replace-3:")


@pytest.mark.parametrize(
    ("scope", "token", "last"),
    [
        ("form-1", "0.0", "the host i-1 dies"),
        ("replace-3", "0.2.0.0", "the host i-4 dies"),
        ("refresh-3", "6.7.7", "the controller looks: RemoveMember, for its instance is leaving i-3"),
        ("split-3", "0.7.7.7.7.1.4", "the controller's call: mark i-1 unhealthy"),
        ("silent-5", "0.1", "etcd on i-2 hangs"),
        ("record-3-late", "0.0.4.4.6.6.7.8.7.7.0.0.0.8.8.8.1.3.4", "the controller's call: promote i-4"),
        ("form-3-wipe", "0.0.0.1.1.1.0.0.1.1.1.4.2", "the disk of i-2 is lost"),
        ("form-3-faults", "0.0.0.8.8.8.9.10.10.10.8.8.5.3", "the host i-1 dies"),
    ],
)
def test_where_the_controller_was_once_stuck_it_goes_on(scope: str, token: str, last: str) -> None:
    state, story, problem = replay(SCOPES[scope], tuple(map(int, token.split("."))))
    assert story[-1] == last, "the steps have other numbers now: find the story again"
    assert not problem
    assert not Progress(SCOPES[scope].rules).problem(state)


@pytest.mark.parametrize(
    ("scope", "token"),
    [
        ("form-1-late", "0.2.0.2.2.1.1.0.1.2.1.3.3.3.3.3.3.3.3.0.0.3"),
        ("generations-late", "0.1.2.0.0.1.3.3.4.5.4.4.0.0.0.6.6.6.7.6.0.3.2.1.1"),
        ("generations-late", "0.1.2.0.2.4.2.2"),
        ("generations-recall", "0.1.2.3.0.3.4.3"),
    ],
)
def test_what_was_written_late_was_void(scope: str, token: str) -> None:
    state, story, problem = replay(SCOPES[scope], tuple(map(int, token.split("."))))
    assert any("gets stuck" in told or "old" in told for told in story)
    assert not problem
    assert not Progress(SCOPES[scope].rules).problem(state)


def test_a_story_names_each_instance_once_and_for_all() -> None:
    _, story, problem = replay(SCOPES["form-1"], (0,))
    assert (story, problem) == (["the group launches an instance (i-1)"], "")


@pytest.mark.parametrize("name", ["replace-3", "two-controllers", "scale-3"])
def test_states_that_differ_in_names_alone_are_one(name: str) -> None:
    scope, dice = SCOPES[name], random.Random(1)  # noqa: S311 - any order will do
    state, _ = settle(scope.start)
    for _ in range(60):
        ahead = [s.state for s in successors(state, scope) if not s.problem]
        state, _ = settle(dice.choice(ahead) if ahead else scope.start)
        shuffled = state._replace(nodes=tuple(dice.sample(state.nodes, len(state.nodes))))
        assert settle(shuffled)[0] == state
        assert {settle(s.state)[0] for s in successors(settle(shuffled)[0], scope)} == {
            settle(s.state)[0] for s in successors(state, scope)
        }


def test_what_is_over_is_forgotten() -> None:
    state, _ = settle(SCOPES["replace-3"].start)
    assert all(n.process == READY for n in state.nodes)
    gone = with_node(state, 0, lifecycle=0, ec2=ENDED, member=0, entry=type(state.nodes[0].entry)())
    assert len(settle(gone)[0].nodes) == len(state.nodes) - 1
