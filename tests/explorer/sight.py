"""What a controller sees of a state, and the shipped code's view of that."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from etcd_aws_cluster.core.asking import endpoints_to_ask
from etcd_aws_cluster.core.model import ClusterId, Reading, Transition
from etcd_aws_cluster.core.ports import Stored
from etcd_aws_cluster.core.view import View
from tests.explorer.render import NOW, POLICY, Names, answers, group_of, member_of, record_of
from tests.explorer.state import (
    ABANDONED,
    EARLY,
    LAUNCH_DONE,
    NO_ENTRY,
    NO_RECORD,
    NOT_LISTED,
    READY,
    TERMINATION_DONE,
    UNSEEN,
    VOTER_UNSTARTED,
    Entry,
    Head,
    Listed,
    Node,
    Seen,
    State,
    has_quorum,
)

# How an etcd answers, Fact.reading.
SILENT, ANSWERS, LINEARIZABLE = range(3)


class Age(NamedTuple):
    """Which answers of AWS are old: about the group, the instances, the record."""

    group: int = 0
    ec2: int = 0
    record: int = 0


class Fact(NamedTuple):
    """What a controller learns and remembers of a node.

    Attributes:
        listed: It in the member list as it is.
        known: It in the member list as it was, which the etcd answers with that ``is_behind``.
    """

    seen: Seen
    reading: int
    listed: Listed
    entry: Entry
    done: int
    is_twin: int
    is_behind: int = 0
    known: Listed = NOT_LISTED


class Sight(NamedTuple):
    """What a controller learns and remembers; equal sights lead to equal choices."""

    facts: tuple[Fact, ...]
    desired: int
    head: Head
    is_plain: int
    is_window_over: int
    is_deleting: int
    transfer_failed: int
    has_learners: bool


def sight_of(state: State, control: int, age: Age, *, has_learners: bool) -> Sight:
    quorums = {c: has_quorum(state.nodes, c) for c in {n.cluster for n in state.nodes}}
    return Sight(
        facts=tuple([_fact(n, control, age, led=quorums[n.cluster]) for n in state.nodes]),
        desired=state.lag - 1 if age.group else state.desired,
        head=state.recalled or state.head if age.record else state.head,
        is_plain=0 if age.record else state.plain,
        is_window_over=state.is_window_over,
        is_deleting=state.is_deleting,
        transfer_failed=state.controls[control].transfer_failed,
        has_learners=has_learners,
    )


def _fact(node: Node, control: int, age: Age, *, led: bool) -> Fact:
    seen = Seen(node.lifecycle, node.ec2, node.is_healthy)
    if node.lag:
        lag = node.lag
        group, ec2 = lag if age.group else seen, lag if age.ec2 else seen
        seen = Seen(group.lifecycle, ec2.ec2, group.is_healthy)
    reading = SILENT
    if answers(node):
        # The read waits for what was agreed on before it: one who is behind answers too late.
        up = node.process in (READY, EARLY) and not node.is_behind
        serves = led and up and node.member >= VOTER_UNSTARTED and node.is_caught_up
        reading = LINEARIZABLE if serves else ANSWERS
    return Fact(
        seen=seen,
        reading=reading,
        listed=Listed(node.member, node.cluster, node.life, node.leads if led else 0),
        entry=node.recalled or NO_ENTRY if age.record else node.entry,
        done=node.minds[control].done,
        is_twin=node.is_twin,
        is_behind=node.is_behind if reading == ANSWERS else 0,
        known=node.known or NOT_LISTED,
    )


def view_of(sight: Sight, names: Names) -> View:
    """Return the shipped code's view, put together as ``Observer.look`` does."""
    facts = sight.facts
    nodes = [Node(entry=f.entry, is_twin=f.is_twin) for f in facts]
    group = group_of(
        [f.seen for f in facts],
        nodes,
        sight.desired,
        is_window_over=sight.is_window_over,
        is_known=sight.head.state != NO_RECORD,
        is_deleting=sight.is_deleting,
        names=names,
    )
    record = record_of(sight.head, nodes, names) if sight.head.state != NO_RECORD else None
    by_endpoint: dict[str, Reading] = {}
    for i, fact in enumerate(facts):
        if fact.reading != SILENT:
            reading = reading_of(i, facts, names, has_learners=sight.has_learners)
            by_endpoint[reading.endpoint] = reading
    done = [(names.instance(i), f.done) for i, f in enumerate(facts) if f.done]
    plain = record.initial_cluster() if record and sight.is_plain else None
    view = View(
        observed_at=float(NOW),
        group=group,
        stored=Stored(record=record, initial_cluster=plain),
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
    while more := endpoints_to_ask(view, POLICY):
        answered = [by_endpoint.get(e) or Reading(endpoint=e, problem="no answer") for e in more]
        view = replace(view, readings=(*view.readings, *answered))
    return view


def reading_of(index: int, facts: tuple[Fact, ...], names: Names, *, has_learners: bool) -> Reading:
    """Return what an etcd answers: its own list, and whether a quorum stands behind it."""
    fact = facts[index]
    mine = [f.known if fact.is_behind else f.listed for f in facts]
    cluster = mine[index].cluster
    listed = sorted(
        (
            member_of(m, i, names, is_twin=facts[i].is_twin)
            for i, m in enumerate(mine)
            if m.member and m.cluster == cluster
        ),
        key=lambda m: m.member_id,
    )
    leader = next((i for i, m in enumerate(mine) if m.leads and m.cluster == cluster), None)
    is_voter = mine[index].member >= VOTER_UNSTARTED
    return Reading(
        endpoint=POLICY.client_url(names.address(index, is_twin=fact.is_twin)),
        cluster_id=ClusterId(cluster),
        member_id=names.member(index, mine[index].life),
        leader_id=None if leader is None else names.member(leader, mine[leader].life),
        raft_index=9 if fact.is_behind else 10,
        is_learner=bool(mine[index].member) and not is_voter,
        members=tuple(listed) if fact.reading == LINEARIZABLE else None,
        unproven_members=tuple(listed) if fact.reading == ANSWERS and is_voter and not has_learners else None,
        supports_learners=has_learners,
    )
