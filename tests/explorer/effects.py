"""What a controller's next step does to the world, with every way in which a call can go, and which rule it breaks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import cast

from tests.explorer import store, world
from tests.explorer.etcd import Rules, change
from tests.explorer.memory import called, decide, forget, with_at
from tests.explorer.mind import choices
from tests.explorer.properties import after_change, after_claim, after_completion, after_transfer, after_write
from tests.explorer.state import (
    ABANDON_LAUNCH,
    ABANDONED,
    ADD_LEARNER,
    ADD_VOTER,
    CLAIM,
    CONCLUDE,
    CONTINUE_LAUNCH,
    CONTINUE_TERMINATION,
    DOOR,
    IN_SERVICE,
    INSTALL,
    INSTALL_OUTCOME,
    LAUNCH_DONE,
    LEAVING,
    MARK_UNHEALTHY,
    MEMBERSHIP_CALLS,
    MOVE_LEADERSHIP,
    NEW,
    NO_CALL,
    NO_CONTROL,
    NO_ENTRY,
    NO_HEAD,
    PROMOTE,
    READY,
    RECORD_CALLS,
    REMOVE,
    TARGET,
    TERMINATION_DONE,
    WAITING,
    WRITE,
    WRITE_PLAIN,
    Head,
    State,
    Step,
    is_acting,
    outdate,
    with_node,
)
from tests.explorer.world import abandon, release

_OLD = ("the group", "EC2", "the record")
ETCD_CALLS = MEMBERSHIP_CALLS | {MOVE_LEADERSHIP}
CALLS = (
    "nothing", "claim the generation", "install the claimed record", "write the record", "write the plain list",
    "add {0} as a learner", "add {0} as a voter", "promote {0}", "remove {0}", "make {0} the leader",
    "continue the launch of {0}", "abandon the launch of {0}", "continue the termination of {0}", "mark {0} unhealthy",
    "end the formation", "install the outcome",
)  # fmt: skip


def steps(state: State, control: int, rules: Rules) -> Iterator[Step]:
    """Yield what a controller may do next: look and decide, make its call, or be cut off."""
    who = name_of(control)
    if state.controls[control].call != NO_CALL:
        yield from _calls(state, control, rules, who)
    else:
        for choice, age in choices(state, control, has_learners=rules.has_learners):
            seen = state if rules.reads_go_back else world.see(state, age.group, age.ec2)
            decided = decide(seen, control, choice, is_void=age.record and state.is_recall_void)
            if decided != state or choice.problem:
                old = " and ".join(itertools.compress(_OLD, age))
                text = f"{who} looks: {choice.text}{' {0}' * (choice.target >= 0)}{f' ({old}: old)' * bool(old)}"
                yield Step(text, choice.target, decided, choice.problem)
    forgotten = forget(state, control)
    if forgotten != state:
        yield Step(f"{who} is cut off", -1, forgotten)


def name_of(control: int) -> str:
    """Return what a story calls a controller."""
    return "the controller" if control == 0 else "the other controller"


def land(state: State, rules: Rules) -> Iterator[Step]:
    """Yield the late effect of a call that was given up."""
    if state.late != NO_CALL:
        i = next(i for i, n in enumerate(state.nodes) if n.is_late)
        landed = with_node(state, i, is_late=0)._replace(late=NO_CALL)
        changed = change(landed, state.late, i, _some_voter(landed), rules)
        if changed is not None:
            yield Step(f"what had got stuck takes effect: {CALLS[state.late]}", i, outdate(changed))
        yield Step(f"what had got stuck never takes effect: {CALLS[state.late]}", i, landed)


def _calls(state: State, control: int, rules: Rules, who: str) -> Iterator[Step]:
    """Make the call that is on a controller's mind."""
    call = state.controls[control].call
    target = next((i for i, n in enumerate(state.nodes) if n.minds[control].mark & TARGET), -1)
    what = f"{who}'s call: {CALLS[call]}"
    if call in ETCD_CALLS:
        yield from _etcd_calls(state, control, rules, target, what)
        return
    after, problem = EFFECTS[call](state, control, target)
    is_there = call != INSTALL_OUTCOME or state.outcome != NO_HEAD
    if call in RECORD_CALLS and is_there and state.budget.late_write and not state.stuck:
        yield Step(f"{what}: it gets stuck, and {who} gives up", target, _stick(state, control))
    done = after if call in (CLAIM, CONCLUDE) else called(after, control)
    yield Step(what, target, _remembered(done, control, call, target, answered=True), problem)
    for effect, text in ((after, "the answer is lost"), (state, "it fails")):
        lost = called(effect, control)  # the run goes on: it looks again
        yield Step(f"{what}: {text}", target, lost)
        if call in COMPLETIONS:  # others come first
            left_alone = _remembered(lost, control, call, target, answered=False)
            yield Step(f"{what}: {text}, and it is left alone for a while", target, left_alone)


def _etcd_calls(state: State, control: int, rules: Rules, target: int, what: str) -> Iterator[Step]:
    mind = state.controls[control]
    door = next(i for i, n in enumerate(state.nodes) if n.minds[control].mark & DOOR)
    failed = called(state, control)
    if mind.call == MOVE_LEADERSHIP:
        tried = failed.controls[control]._replace(transfer_failed=1)
        failed = failed._replace(controls=with_at(failed.controls, control, tried))
    problem = after_transfer(state, target, is_current=not mind.is_outdated) if mind.call == MOVE_LEADERSHIP else ""
    yield Step(f"{what}: it is refused, or lost on its way", target, failed, problem)
    changed = change(state, mind.call, target, door, rules)
    if changed is not None:
        problem = ""
        if mind.call != MOVE_LEADERSHIP:
            current = not mind.is_outdated
            problem = after_change(state, changed, mind.call, target, is_current=current, rules=rules)
        changed = outdate(changed, but=control) if mind.call != MOVE_LEADERSHIP else changed
        if mind.call in (ADD_LEARNER, ADD_VOTER):
            changed = _spoil(changed, target)
        yield Step(what, target, called(changed, control), problem)
        if mind.call == MOVE_LEADERSHIP:
            answerless = failed._replace(nodes=called(changed, control).nodes)
            yield Step(f"{what}: the answer is lost", target, answerless)
    if mind.call in MEMBERSHIP_CALLS and state.budget.late and state.late == NO_CALL:
        paid = failed._replace(late=mind.call, budget=state.budget._replace(late=state.budget.late - 1))
        yield Step(f"{what}: it gets stuck", target, with_node(paid, target, is_late=1))


def _stick(state: State, control: int) -> State:
    """Have the write of a record that is on a controller's mind be under way, whatever becomes of its run."""
    mind = state.controls[control]
    if mind.call == INSTALL:
        head, entries = state.claim, [n.claimed for n in state.nodes]
    elif mind.call == INSTALL_OUTCOME:
        head, entries = state.outcome, [n.concluded for n in state.nodes]
    else:
        head, entries = cast("Head", mind.head), [n.minds[control].entry or NO_ENTRY for n in state.nodes]
    return store.stick(called(state, control), mind.call, head, entries, mind.is_void)


def best(state: State, rules: Rules) -> State | None:
    """Return the state after the first controller's call has gone well; None where etcd refuses it."""
    call = state.controls[0].call
    target = next((i for i, n in enumerate(state.nodes) if n.minds[0].mark & TARGET), -1)
    if call not in ETCD_CALLS:
        after, _ = EFFECTS[call](state, 0, target)
        return after if call in (CLAIM, CONCLUDE) else called(after, 0)
    door = next(i for i, n in enumerate(state.nodes) if n.minds[0].mark & DOOR)
    changed = change(state, call, target, door, rules)
    return None if changed is None else called(changed, 0)


def _spoil(state: State, target: int) -> State:
    """Whoever still means a node's former member, by its id, means nobody now: a call about it does nothing."""
    for other, mind in enumerate(state.controls):
        if mind.call in (PROMOTE, REMOVE) and state.nodes[target].minds[other].mark & TARGET:
            state = called(state, other)
    return state


def _remembered(state: State, control: int, call: int, target: int, *, answered: bool) -> State:
    """Keep in mind which lifecycle actions were completed: AWS may not show it yet."""
    bits = COMPLETIONS.get(call, 0) & (~0 if answered else ~ABANDONED)
    if not bits:
        return state
    minds = state.nodes[target].minds
    mind = minds[control]._replace(done=minds[control].done | bits)
    return with_node(state, target, minds=with_at(minds, control, mind))


def _claim(state: State, control: int, _target: int) -> tuple[State, str]:
    """Create the claim, unless it was; what is to be installed is the claimed record, whoever's it is."""
    head = cast("Head", state.controls[control].head)
    entries = tuple(n.minds[control].entry for n in state.nodes)
    claimed, problem = state, ""
    if head.generation > max(state.claim.generation, state.head.generation):
        problem = after_claim(state, head, entries)
        nodes = tuple([n._replace(claimed=e or NO_ENTRY) for n, e in zip(state.nodes, entries, strict=True)])
        claimed = state._replace(nodes=nodes, claim=head)
    after = called(claimed, control)
    return after._replace(controls=with_at(after.controls, control, NO_CONTROL._replace(call=INSTALL))), problem


def _install(state: State, _control: int, _target: int) -> tuple[State, str]:
    if state.head.generation >= state.claim.generation:
        return state, ""
    nodes = tuple([n._replace(entry=n.claimed) for n in state.nodes])
    return store.count(state)._replace(nodes=nodes, head=state.claim, plain=0), ""


def _conclude(state: State, control: int, _target: int) -> tuple[State, str]:
    """Create the outcome, unless it was; what is to be installed is the outcome, whoever's it is."""
    mind = state.controls[control]
    head = cast("Head", mind.head)
    decided, problem = state, ""
    if _forms(state, head) and state.outcome == NO_HEAD:
        nodes = tuple([n._replace(concluded=n.minds[control].entry or NO_ENTRY) for n in state.nodes])
        decided = state._replace(nodes=nodes, outcome=head)
        problem = after_write(state, _with_outcome(decided), is_current=not mind.is_outdated)
    after = called(decided, control)
    install = NO_CONTROL._replace(call=INSTALL_OUTCOME, head=Head(head.generation))
    return after._replace(controls=with_at(after.controls, control, install)), problem


def _install_outcome(state: State, control: int, _target: int) -> tuple[State, str]:
    if not _forms(state, cast("Head", state.controls[control].head)) or state.outcome == NO_HEAD:
        return state, ""
    after = _with_outcome(state)
    # What its members have become since it was decided is for the next look.
    return outdate(after, but=control), after_write(state, after, is_current=False)


def _forms(state: State, head: Head) -> bool:
    return state.head.state == NEW and state.head.generation == head.generation


def _with_outcome(state: State) -> State:
    return store.write(state, state.outcome, [n.concluded for n in state.nodes])


def _write(state: State, control: int, _target: int) -> tuple[State, str]:
    mind = state.controls[control]
    entries = [n.minds[control].entry or NO_ENTRY for n in state.nodes]
    if mind.is_void:
        return store.count(state), ""
    after = store.write(state, cast("Head", mind.head), entries)
    problem = after_write(state, after, is_current=not mind.is_outdated)
    return outdate(after, but=control) if after != state else after, problem


def _write_plain(state: State, _control: int, _target: int) -> tuple[State, str]:
    return state._replace(plain=1), ""


def _mark_unhealthy(state: State, _control: int, target: int) -> tuple[State, str]:
    return with_node(state, target, is_healthy=0), ""


def _complete(state: State, control: int, target: int) -> tuple[State, str]:
    mind, node = state.controls[control], state.nodes[target]
    problem = after_completion(state, mind.call, target, is_current=not mind.is_outdated)
    if mind.call == CONTINUE_TERMINATION:
        return (release(state, target) if node.lifecycle == LEAVING else state), problem
    if node.lifecycle != WAITING:
        return state, problem
    if mind.call == CONTINUE_LAUNCH:
        return with_node(state, target, lifecycle=IN_SERVICE), problem
    return abandon(state, target), problem


COMPLETIONS = {
    CONTINUE_LAUNCH: LAUNCH_DONE,
    ABANDON_LAUNCH: LAUNCH_DONE | ABANDONED,
    CONTINUE_TERMINATION: TERMINATION_DONE,
}
EFFECTS = {
    CLAIM: _claim,
    INSTALL: _install,
    CONCLUDE: _conclude,
    INSTALL_OUTCOME: _install_outcome,
    WRITE: _write,
    WRITE_PLAIN: _write_plain,
    MARK_UNHEALTHY: _mark_unhealthy,
    **dict.fromkeys(COMPLETIONS, _complete),
}


def _some_voter(state: State) -> int:
    """Return a voter through which a late call goes."""
    ready = (i for i, n in enumerate(state.nodes) if n.process == READY and is_acting(n))
    return next(ready, 0)
