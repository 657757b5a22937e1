"""What the controller decides in a state: the shipped planner, second look and executor, asked once for each view."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, cast

from etcd_aws_cluster.core import invariants, planner
from etcd_aws_cluster.core.actions import Act, AddMember, Decision, Look, Refuse, Wait
from etcd_aws_cluster.core.model import Result, Transition
from etcd_aws_cluster.core.record import Record
from etcd_aws_cluster.core.view import View
from tests.explorer.executor import call_of
from tests.explorer.render import POLICY, Names, entries_of, head_of
from tests.explorer.sight import SILENT, Sight, sight_of, view_of
from tests.explorer.state import (
    ABANDON_LAUNCH,
    ADD_LEARNER,
    ADD_VOTER,
    CLAIM,
    CONCLUDE,
    CONTINUE_LAUNCH,
    CONTINUE_TERMINATION,
    DOOR,
    MARK_UNHEALTHY,
    MOVE_LEADERSHIP,
    NO_CALL,
    NO_ENTRY,
    PROMOTE,
    REMOVE,
    TARGET,
    UNMARKED,
    WRITE,
    WRITE_PLAIN,
    Entry,
    Head,
    State,
)

_COMPLETIONS = {
    (Transition.LAUNCHING, Result.CONTINUE): CONTINUE_LAUNCH,
    (Transition.LAUNCHING, Result.ABANDON): ABANDON_LAUNCH,
    (Transition.TERMINATING, Result.CONTINUE): CONTINUE_TERMINATION,
}


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
        return next((i for i, (mark, _) in enumerate(self.marks) if mark & TARGET), -1)


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
        for choice in _choices(sight_of(state, control, group_lags, ec2_lags, has_learners=has_learners)):
            yield choice, group_lags, ec2_lags


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
            text = re.sub(r"(i-)?\b[0-9a-f]*[0-9][0-9a-f]*\b(?<!INV-\d)", "?", f"the run stops: {error!r}")
            yield Choice(NO_CALL, (), (), ends_run=True, text="it fails", problem=text)


def _to_choice(sight: Sight, view: View, decision: Decision, names: Names) -> Choice:
    if not isinstance(decision, Act):
        ends = not (isinstance(decision, Wait | Refuse) and decision.look is Look.SOON)
        keep_alive = decision.keep_alive if isinstance(decision, Wait | Refuse) else ()
        keeps = frozenset(names.node_of_instance(i) for i, _ in keep_alive)
        return Choice(NO_CALL, (), (), ends, f"{type(decision).__name__}: {decision.reason.value}", keeps)
    invariants.check(view, decision.action)
    count = len(sight.facts)
    parts = [UNMARKED] * count
    entries: tuple[Entry | tuple[()], ...] = ((),) * count
    head: Head | tuple[()] = ()
    name, *arguments = call_of(view, decision)
    match name, arguments:
        case (("claim" | "conclude" | "write"), [Record() as record]):
            call = {"claim": CLAIM, "conclude": CONCLUDE}.get(name, WRITE)
            head, entries = head_of(record), entries_of(record, count, names)
        case "write_initial_cluster", _:
            call = WRITE_PLAIN
        case "complete", [instance_id, transition, result]:
            call = _COMPLETIONS[transition, result]
            parts[names.node_of_instance(instance_id)] |= TARGET
        case "mark_unhealthy", [instance_id]:
            call = MARK_UNHEALTHY
            parts[names.node_of_instance(instance_id)] |= TARGET
        case "add_member", [endpoint, _, as_learner]:
            call = ADD_LEARNER if as_learner else ADD_VOTER
            parts[_door(sight, endpoint, names)] |= DOOR
            parts[names.node_of_instance(cast("AddMember", decision.action).instance_id)] |= TARGET
        case (("promote_member" | "remove_member" | "move_leadership"), [endpoint, member_id]):
            call = {"promote_member": PROMOTE, "remove_member": REMOVE}.get(name, MOVE_LEADERSHIP)
            parts[_door(sight, endpoint, names)] |= DOOR
            parts[names.node_and_life(member_id)[0]] |= TARGET
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
