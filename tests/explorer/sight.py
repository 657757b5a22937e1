"""What a controller sees of a state, and the shipped code's view of that."""

from __future__ import annotations

from typing import NamedTuple

from etcd_aws_cluster.app.observe import endpoints
from etcd_aws_cluster.core.model import ClusterId, Reading, Transition
from etcd_aws_cluster.core.ports import Stored
from etcd_aws_cluster.core.view import View
from tests.explorer.render import NOW, POLICY, Names, answers, group_of, member_of, record_of
from tests.explorer.state import (
    ABANDONED,
    LAUNCH_DONE,
    NO_RECORD,
    READY,
    TERMINATION_DONE,
    UNSEEN,
    VOTER_UNSTARTED,
    Entry,
    Head,
    Node,
    Seen,
    State,
    has_quorum,
)

# How an etcd answers, Fact.reading.
SILENT, ANSWERS, LINEARIZABLE = range(3)


class Fact(NamedTuple):
    """What a controller learns and remembers of a node."""

    seen: Seen
    reading: int
    member: int
    cluster: int
    life: int
    leads: int
    entry: Entry
    done: int
    is_twin: int


class Sight(NamedTuple):
    """What a controller learns and remembers; equal sights lead to equal choices."""

    facts: tuple[Fact, ...]
    desired: int
    head: Head
    is_plain: int
    is_window_over: int
    transfer_failed: int
    has_learners: bool


def sight_of(state: State, control: int, group_lags: int, ec2_lags: int, *, has_learners: bool) -> Sight:
    quorums = {c: has_quorum(state.nodes, c) for c in {n.cluster for n in state.nodes}}
    return Sight(
        facts=tuple([_fact(n, control, group_lags, ec2_lags, led=quorums[n.cluster]) for n in state.nodes]),
        desired=state.lag - 1 if group_lags else state.desired,
        head=state.head,
        is_plain=state.plain,
        is_window_over=state.is_window_over,
        transfer_failed=state.controls[control].transfer_failed,
        has_learners=has_learners,
    )


def _fact(node: Node, control: int, group_lags: int, ec2_lags: int, *, led: bool) -> Fact:
    seen = Seen(node.lifecycle, node.ec2, node.is_healthy)
    if node.lag:
        lag = node.lag
        group, ec2 = lag if group_lags else seen, lag if ec2_lags else seen
        seen = Seen(group.lifecycle, ec2.ec2, group.is_healthy)
    reading = SILENT
    if answers(node):
        serves = led and node.process == READY and node.member >= VOTER_UNSTARTED and node.is_caught_up
        reading = LINEARIZABLE if serves else ANSWERS
    return Fact(
        seen=seen,
        reading=reading,
        member=node.member,
        cluster=node.cluster,
        life=node.life,
        leads=node.leads if led else 0,
        entry=node.entry,
        done=node.minds[control].done,
        is_twin=node.is_twin,
    )


def view_of(sight: Sight, names: Names) -> View:
    """Return the shipped code's view, put together as ``Observer.look`` does."""
    facts = sight.facts
    nodes = [
        Node(member=f.member, cluster=f.cluster, life=f.life, leads=f.leads, entry=f.entry, is_twin=f.is_twin)
        for f in facts
    ]
    group = group_of(
        [f.seen for f in facts],
        nodes,
        sight.desired,
        is_window_over=sight.is_window_over,
        is_known=sight.head.state != NO_RECORD,
        names=names,
    )
    record = record_of(sight.head, nodes, names) if sight.head.state != NO_RECORD else None
    by_endpoint: dict[str, Reading] = {}
    for i, fact in enumerate(facts):
        if fact.reading != SILENT:
            reading = _reading(i, facts, nodes, names, has_learners=sight.has_learners)
            by_endpoint[reading.endpoint] = reading
    asked = endpoints(group, record, POLICY)
    done = [(names.instance(i), f.done) for i, f in enumerate(facts) if f.done]
    plain = record.initial_cluster() if record and sight.is_plain else None
    return View(
        observed_at=float(NOW),
        group=group,
        stored=Stored(record=record, initial_cluster=plain),
        readings=tuple([by_endpoint.get(e) or Reading(endpoint=e, problem="no answer") for e in asked]),
        completed=frozenset(
            [(i, Transition.LAUNCHING) for i, bits in done if bits & LAUNCH_DONE]
            + [(i, Transition.TERMINATING) for i, bits in done if bits & TERMINATION_DONE]
        ),
        abandoned=frozenset(i for i, bits in done if bits & ABANDONED),
        transfer_failed=bool(sight.transfer_failed),
        hosts_up=frozenset()
        if sight.has_learners
        else frozenset(names.instance(i) for i, f in enumerate(facts) if f.seen.ec2 != UNSEEN),
    )


def _reading(index: int, facts: tuple[Fact, ...], nodes: list[Node], names: Names, *, has_learners: bool) -> Reading:
    fact = facts[index]
    listed = sorted(
        (member_of(n, i, names) for i, n in enumerate(nodes) if n.member and n.cluster == fact.cluster),
        key=lambda m: m.member_id,
    )
    leader = next((i for i, n in enumerate(nodes) if n.leads and n.cluster == fact.cluster), None)
    is_voter = fact.member >= VOTER_UNSTARTED
    return Reading(
        endpoint=POLICY.client_url(names.address(index, is_twin=fact.is_twin)),
        cluster_id=ClusterId(fact.cluster),
        member_id=names.member(index, fact.life),
        leader_id=None if leader is None else names.member(leader, nodes[leader].life),
        raft_index=10,
        is_learner=bool(fact.member) and not is_voter,
        members=tuple(listed) if fact.reading == LINEARIZABLE else None,
        unproven_members=tuple(listed) if fact.reading == ANSWERS and is_voter and not has_learners else None,
        supports_learners=has_learners,
    )
