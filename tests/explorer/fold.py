"""Folds states that differ in nothing that matters into one."""

from __future__ import annotations

from tests.explorer.state import (
    EMPTY,
    ENDED,
    NEW,
    NO_ENTRY,
    NO_HEAD,
    NO_RECORD,
    NOBODY,
    OFF,
    RETIRED,
    UNLISTED,
    UNMARKED,
    VOTER_UNSTARTED,
    Node,
    State,
    is_acting,
)


def settle(state: State) -> tuple[State, tuple[int, ...]]:
    """Elect leaders, forget what is over and sort the nodes: symmetric states become one.

    Returns:
        The state, and for each of its nodes the index that it had before.
    """
    nodes = [_at_its_end(n) if n.ec2 == ENDED else n for n in state.nodes]
    clusters = {n.cluster for n in nodes if n.member}
    for cluster in clusters - {n.cluster for n in nodes if n.member and n.ec2 != ENDED}:
        nodes = [n._replace(member=NOBODY, leads=0, life=0) if n.cluster == cluster else n for n in nodes]
    if state.claim.generation <= state.head.generation:
        nodes = [n._replace(claimed=NO_ENTRY) if n.claimed != NO_ENTRY else n for n in nodes]
    if any(n.known for n in nodes) and not any(n.is_behind for n in nodes):
        nodes = [n._replace(known=()) for n in nodes]
    outcome = state.outcome
    # It stays in truth; it matters as long as the record can be the claim (again: a write that got stuck).
    matters = state.head.generation == outcome.generation and (state.head.state == NEW or state.stuck)
    if outcome != NO_HEAD and not matters:
        outcome, nodes = NO_HEAD, [n._replace(concluded=NO_ENTRY) if n.concluded != NO_ENTRY else n for n in nodes]
    _keep_apart(nodes)
    # Sorted before the election, so that it does not depend on an order that means nothing, and after it.
    order = sorted([i for i, n in enumerate(nodes) if n.lifecycle or not _is_over(n)], key=nodes.__getitem__)
    elected = [_elect(nodes, order, cluster) for cluster in clusters]
    if any(elected):
        order.sort(key=nodes.__getitem__)
    window = state.is_window_over if state.head.state in (NO_RECORD, RETIRED) else 0
    settled = state._replace(nodes=tuple([nodes[i] for i in order]), outcome=outcome, is_window_over=window)
    return settled, tuple(order)


def _elect(nodes: list[Node], order: list[int], cluster: int) -> bool:
    """Have a cluster be led by one that acts if it has a quorum, else by nobody; return whether that is a change."""
    mine = [i for i in order if nodes[i].cluster == cluster]
    acting = [i for i in mine if is_acting(nodes[i])]
    led = len(acting) > sum([nodes[i].member >= VOTER_UNSTARTED for i in mine]) // 2
    leader = next((i for i in acting if nodes[i].leads), acting[0]) if led else None
    changed = [i for i in mine if nodes[i].leads != (i == leader)]
    for i in changed:
        nodes[i] = nodes[i]._replace(leads=int(i == leader))
    return bool(changed)


def _at_its_end(node: Node) -> Node:
    if node.process == OFF and node.data == EMPTY and not (node.has_file or node.is_caught_up or node.is_behind):
        return node
    return node._replace(process=OFF, data=EMPTY, has_file=0, is_caught_up=0, is_behind=0)


def _keep_apart(nodes: list[Node]) -> None:
    """A lone twin is no twin."""
    twins = [i for i, n in enumerate(nodes) if n.is_twin and (n.lifecycle or not _is_over(n))]
    if len(twins) == 1:
        nodes[twins[0]] = nodes[twins[0]]._replace(is_twin=0)


def _is_over(node: Node) -> bool:
    return (
        node.lifecycle == UNLISTED
        and node.ec2 == ENDED
        and not node.member
        and node.entry == NO_ENTRY
        and node.claimed == NO_ENTRY
        and node.concluded == NO_ENTRY
        and not node.is_late
        and not node.known
        and not node.recalled
        and not node.stuck
        and (node.lag == () or node.lag[:2] == (UNLISTED, ENDED))
        and all(m.mark == UNMARKED and not m.entry for m in node.minds)
    )
