"""Which membership changes etcd takes, and what they do; ``tests/contract/sequences`` holds it to real etcd."""

from __future__ import annotations

from typing import NamedTuple

from tests.explorer.state import (
    ADD_LEARNER,
    ADD_VOTER,
    CONNECTED,
    EARLY,
    EMPTY,
    FOREIGN,
    HUNG,
    LEARNER,
    LEARNER_UNSTARTED,
    MOVE_LEADERSHIP,
    NO_CALL,
    NOBODY,
    OFF,
    OWN,
    PROMOTE,
    READY,
    REMOVE,
    VOTER,
    VOTER_UNSTARTED,
    Node,
    State,
    has_quorum,
    is_acting,
    with_node,
)


class Rules(NamedTuple):
    """What kind of etcd, and of AWS, it is.

    Attributes:
        is_strict: It checks reconfigurations as 3.4 and 3.5 do; else it does whatever raft can.
        has_learners: Since 3.4.
        notices_hung: Its check counts a hung voter out. From 3.5 it does so only if it was started after the hang;
            played as if it never did.
        adds_beside_unconnected: Since 3.6: a quorum after the addition is enough, not all voters need be connected.
        reads_go_back: Whether AWS may give an older answer than it gave before.
    """

    is_strict: bool = True
    has_learners: bool = True
    notices_hung: bool = False
    adds_beside_unconnected: bool = False
    reads_go_back: bool = False


def change(state: State, call: int, target: int, door: int, rules: Rules) -> State | None:
    """Return the state after a change, asked of the etcd at ``door``; None where etcd does not make it."""
    asked = state.nodes[door]
    if asked.process not in (READY, EARLY) or not asked.member or not has_quorum(state.nodes, asked.cluster):
        return None
    if asked.member not in (VOTER, VOTER_UNSTARTED):
        return None
    if call in (ADD_LEARNER, ADD_VOTER):
        return _add(state, call, target, door, rules)
    if call == PROMOTE:
        return _promote(state, target, asked.cluster, rules)
    if call == REMOVE:
        return _remove(state, target, door, rules)
    if call == MOVE_LEADERSHIP:
        return _move(state, target, door)
    raise AssertionError(call)


def _voters(state: State, cluster: int) -> list[Node]:
    return [n for n in state.nodes if n.member >= VOTER_UNSTARTED and n.cluster == cluster]


def _is_named(node: Node) -> bool:
    """Whether etcd takes it for started: a cohort has its names from the bootstrap list."""
    return node.member == VOTER or (node.member == VOTER_UNSTARTED and node.life == 0)


def _connected(voters: list[Node], rules: Rules) -> int:
    return sum(v.process in CONNECTED or (v.process == HUNG and not rules.notices_hung) for v in voters)


def _add(state: State, call: int, target: int, door: int, rules: Rules) -> State | None:
    node, cluster = state.nodes[target], state.nodes[door].cluster
    voters = _voters(state, cluster)
    started = sum(map(_is_named, voters))
    if rules.is_strict:
        is_second = started == len(voters) == 1
        if call == ADD_VOTER and not is_second and started < (len(voters) + 1) // 2 + 1:
            return None
        wanted = (len(voters) + 1) // 2 + 1 if rules.adds_beside_unconnected and len(voters) > 1 else len(voters)
        if _connected(voters, rules) < wanted:
            return None
    if node.member or (node.is_twin and any(n.is_twin and n.member for n in state.nodes)):
        return None
    if call == ADD_LEARNER and any(n.member in (LEARNER, LEARNER_UNSTARTED) for n in state.nodes):
        return None
    said = (
        node.entry,
        node.claimed,
        node.concluded,
        node.known,
        node.recalled,
        node.stuck,
        *(m.entry for m in node.minds),
    )
    used = {s.life for s in said if s}
    if node.is_late:  # what is under way was about an id that is no more
        state = with_node(state._replace(late=NO_CALL), target, is_late=0)
    return with_node(
        state,
        target,
        member=LEARNER_UNSTARTED if call == ADD_LEARNER else VOTER_UNSTARTED,
        cluster=cluster,
        life=next(n for n in range(1, 9) if n not in used),
        is_caught_up=0,
        data=EMPTY if node.data == EMPTY else FOREIGN,
        has_file=0,
    )


def _promote(state: State, target: int, cluster: int, rules: Rules) -> State | None:
    node, voters = state.nodes[target], _voters(state, cluster)
    if node.member >= VOTER_UNSTARTED:
        return state
    if node.member == NOBODY or not node.is_caught_up:  # it may have died since: etcd compares logs alone
        return None
    if rules.is_strict and sum(map(_is_named, voters)) + 1 < (len(voters) + 1) // 2 + 1:
        return None
    return with_node(state, target, member=VOTER if node.member == LEARNER else VOTER_UNSTARTED)


def _remove(state: State, target: int, door: int, rules: Rules) -> State | None:
    node = state.nodes[target]
    if not node.member:
        return state
    if rules.is_strict and node.member >= VOTER_UNSTARTED and not _may_be_removed(state, target, door, rules):
        return None
    return with_node(
        state,
        target,
        member=NOBODY,
        leads=0,
        is_caught_up=0,
        process=OFF if node.process in CONNECTED else node.process,
        data=FOREIGN if node.data == OWN else node.data if node.data == FOREIGN else EMPTY,
    )


def _may_be_removed(state: State, target: int, door: int, rules: Rules) -> bool:
    node = state.nodes[target]
    voters = _voters(state, node.cluster)
    left = [
        v
        for i, v in enumerate(state.nodes)
        if v.member >= VOTER_UNSTARTED and v.cluster == node.cluster and i != target
    ]
    if sum(map(_is_named, left)) < len(left) // 2 + 1:
        return False
    if target != door and node.process not in CONNECTED:
        return True  # it is no part of the quorum
    return _connected(voters, rules) - 1 >= 1 + (len(voters) - 1) // 2


def _move(state: State, target: int, door: int) -> State | None:
    if not state.nodes[door].leads or not is_acting(state.nodes[target]):
        return None
    return with_node(with_node(state, door, leads=0), target, leads=1)
