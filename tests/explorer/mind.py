"""What the controller decides in a state: the shipped planner, second look and executor, asked once for each view."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Executor
from datetime import timedelta
from typing import Any, NamedTuple, cast

from etcd_aws_cluster.app.execute import ActionExecutor
from etcd_aws_cluster.app.observe import Observer, endpoints
from etcd_aws_cluster.core import invariants, planner
from etcd_aws_cluster.core.actions import Act, AddMember, Decision, Look, Refuse, Wait
from etcd_aws_cluster.core.model import ClusterId, InstanceId, Reading, Result, Transition
from etcd_aws_cluster.core.ports import Stored
from etcd_aws_cluster.core.record import Record
from etcd_aws_cluster.core.view import View
from tests.explorer.render import NOW, POLICY, Names, answers, entries_of, group_of, head_of, member_of, record_of
from tests.explorer.state import (
    ABANDON_LAUNCH,
    ABANDONED,
    ADD_LEARNER,
    ADD_VOTER,
    CLAIM,
    CONTINUE_LAUNCH,
    CONTINUE_TERMINATION,
    DOOR,
    LAUNCH_DONE,
    MARK_UNHEALTHY,
    MOVE_LEADERSHIP,
    NO_CALL,
    NO_ENTRY,
    NO_RECORD,
    PROMOTE,
    READY,
    REMOVE,
    TARGET,
    TERMINATION_DONE,
    UNMARKED,
    UNSEEN,
    VOTER_UNSTARTED,
    WRITE,
    WRITE_PLAIN,
    Entry,
    Head,
    Node,
    Seen,
    State,
    has_quorum,
)

# How an etcd answers, Fact.reading.
SILENT, ANSWERS, LINEARIZABLE = range(3)
_COMPLETIONS = {
    (Transition.LAUNCHING, Result.CONTINUE): CONTINUE_LAUNCH,
    (Transition.LAUNCHING, Result.ABANDON): ABANDON_LAUNCH,
    (Transition.TERMINATING, Result.CONTINUE): CONTINUE_TERMINATION,
}


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


class Choice(NamedTuple):
    """A decision, and the port call that the executor makes of it.

    Attributes:
        marks: For each node its part in the call, and its entry in the record that is to be written.
        ends_run: Nothing more is to be done in this run.
        keeps: The nodes whose hooks are kept alive.
    """

    call: int
    marks: tuple[tuple[int, Entry | tuple[()]], ...]
    head: Head | tuple[()]
    ends_run: bool
    text: str
    keeps: frozenset[int] = frozenset()
    problem: str = ""

    @property
    def target(self) -> int:
        """The node that the call is about; -1 if there is none."""
        return next((i for i, (mark, _) in enumerate(self.marks) if mark == TARGET), -1)


_memory: dict[Sight, tuple[Choice, ...]] = {}


def forget() -> None:
    """Forget every decision: the planner is another one now."""
    _memory.clear()


def choices(state: State, control: int, *, has_learners: bool) -> Iterator[tuple[Choice, int, int]]:
    """Yield what a controller may decide now, whatever of AWS is old and whichever way ties are broken.

    Yields:
        The choice, and whether it rests on an old answer about the group, and on one about the instances.
    """
    for group_lags, ec2_lags in ((0, 0), (0, 1), (1, 0), (1, 1)) if state.lag else ((0, 0),):
        for choice in _choices(_sight(state, control, group_lags, ec2_lags, has_learners=has_learners)):
            yield choice, group_lags, ec2_lags


def _sight(state: State, control: int, group_lags: int, ec2_lags: int, *, has_learners: bool) -> Sight:
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
        lag = cast("Seen", node.lag)
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


def _choices(sight: Sight) -> tuple[Choice, ...]:
    order = sorted(range(len(sight.facts)), key=sight.facts.__getitem__)
    key = sight._replace(facts=tuple([sight.facts[i] for i in order]))
    known = _memory.get(key)
    if known is None:
        known = _memory[key] = tuple({(c.call, c.marks, c.head): c for c in _decide_both_ways(key)}.values())
    if order == sorted(order):
        return known
    place = {old: new for new, old in enumerate(order)}
    return tuple(
        c._replace(
            marks=tuple([c.marks[place[i]] for i in range(len(order))]) if c.marks else (),
            keeps=frozenset(order[i] for i in c.keeps),
        )
        for c in known
    )


def _decide_both_ways(sight: Sight) -> Iterator[Choice]:
    for backwards in (False, True):
        names = Names(len(sight.facts), backwards=backwards)
        view = view_of(sight, names)
        try:
            decision = planner.plan(view, POLICY)
            yield _to_choice(sight, view, decision, names)
        except Exception as error:  # noqa: BLE001 - whatever the decider raises is a finding
            text = re.sub(r"i-[0-9a-f]+", "i-", f"the run stops: {error!r}")
            yield Choice(NO_CALL, (), (), ends_run=True, text="it fails", problem=text)


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


def _to_choice(sight: Sight, view: View, decision: Decision, names: Names) -> Choice:
    if not isinstance(decision, Act):
        ends = not (isinstance(decision, Wait | Refuse) and decision.look is Look.ETCD)
        keep_alive = decision.keep_alive if isinstance(decision, Wait | Refuse) else ()
        keeps = frozenset(names.node_of_instance(i) for i, _ in keep_alive)
        return Choice(NO_CALL, (), (), ends, f"{type(decision).__name__}: {decision.reason.value}", keeps)
    invariants.check(view, decision.action)
    count = len(sight.facts)
    parts = [UNMARKED] * count
    entries: tuple[Entry | tuple[()], ...] = ((),) * count
    head: Head | tuple[()] = ()
    name, *arguments = _call_of(view, decision)
    match name, arguments:
        case (("claim" | "write"), [Record() as record]):
            call, head, entries = CLAIM if name == "claim" else WRITE, head_of(record), entries_of(record, count, names)
        case "write_initial_cluster", _:
            call = WRITE_PLAIN
        case "complete", [instance_id, transition, result]:
            call = _COMPLETIONS[transition, result]
            parts[names.node_of_instance(instance_id)] = TARGET
        case "mark_unhealthy", [instance_id]:
            call = MARK_UNHEALTHY
            parts[names.node_of_instance(instance_id)] = TARGET
        case "add_member", [endpoint, _, as_learner]:
            call = ADD_LEARNER if as_learner else ADD_VOTER
            parts[_door(sight, endpoint, names)] = DOOR
            parts[names.node_of_instance(cast("AddMember", decision.action).instance_id)] = TARGET
        case (("promote_member" | "remove_member" | "move_leadership"), [endpoint, member_id]):
            call = {"promote_member": PROMOTE, "remove_member": REMOVE}.get(name, MOVE_LEADERSHIP)
            parts[_door(sight, endpoint, names)] = DOOR
            parts[names.node_and_life(member_id)[0]] = TARGET
        case _:
            raise AssertionError(f"an action became {name} {arguments}")
    marks = tuple((p, () if e == NO_ENTRY else e) for p, e in zip(parts, entries, strict=True))
    kind = type(decision.action).__name__
    return Choice(call, marks, head, ends_run=False, text=f"{kind}, for {decision.reason.value}")


def _door(sight: Sight, endpoint: str, names: Names) -> int:
    return next(
        i
        for i, f in enumerate(sight.facts)
        if f.reading != SILENT and POLICY.client_url(names.address(i, is_twin=f.is_twin)) == endpoint
    )


class _Recorder:
    """Stands in for every port and remembers the one call that the executor makes."""

    def __init__(self) -> None:
        self.call: tuple[Any, ...] = ()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - stands in for anything
        def record(*arguments: object, **named: object) -> object:
            if name not in ("count", "trouble"):
                self.call = (name, *arguments, *named.values())
            return arguments[0] if arguments else None

        return record


def _call_of(view: View, decision: Act) -> tuple[Any, ...]:
    """Have the shipped executor carry the action out, and return the call that it makes."""
    ports: Any = _Recorder()
    observer = Observer(
        members=ports,
        group=ports,
        store=ports,
        clock=ports,
        policy=POLICY,
        aws_max_age=timedelta(seconds=2),
        executor=cast("Executor", ports),
    )
    observer.memory.completed = set(view.completed)
    observer.memory.abandoned = {InstanceId(i) for i in view.abandoned}
    ActionExecutor(members=ports, group=ports, store=ports, policy=POLICY, telemetry=ports, observer=observer).execute(
        view, decision.action
    )
    return cast("tuple[Any, ...]", ports.call)
