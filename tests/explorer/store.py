"""Parameter Store where it is not ideal: reads of the record that are old, and writes of it that take effect late.

A write that is void is not played as a record that lies there: nobody goes by it, and it is written over.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.explorer.state import (
    CLAIM,
    CONCLUDE,
    INSTALL,
    INSTALL_OUTCOME,
    NEW,
    NO_CALL,
    NO_ENTRY,
    NO_HEAD,
    NO_RECORD,
    WRITE,
    Entry,
    Head,
    State,
    Step,
    outdate,
)


def steps(state: State) -> Iterator[Step]:
    """Yield when reads begin and cease to be old, and what becomes of the write that got stuck."""
    if state.recalled:
        yield Step("reads of the record are current again", -1, forget(state))
    elif state.budget.recall:
        paid = state._replace(budget=state.budget._replace(recall=state.budget.recall - 1), recalled=state.head)
        nodes = tuple([n._replace(recalled=n.entry if n.entry != NO_ENTRY else ()) for n in state.nodes])
        yield Step("from here on, reads of the record may be old", -1, paid._replace(nodes=nodes))
    if state.stuck:
        yield Step("the write that had got stuck takes effect", -1, outdate(_land(state)))
        yield Step("the write that had got stuck never takes effect", -1, unstick(state))


def forget(state: State) -> State:
    """Have every read be current again."""
    return state._replace(
        nodes=tuple([n._replace(recalled=()) if n.recalled else n for n in state.nodes]), recalled=(), is_recall_void=0
    )


def stick(state: State, call: int, head: Head, entries: list[Entry], is_void: int) -> State:
    """Have a write be under way that its caller has given up."""
    if call == INSTALL and state.head.state == NO_RECORD:
        call = _CREATE
    nodes = tuple([n._replace(stuck=e if e != NO_ENTRY else ()) for n, e in zip(state.nodes, entries, strict=True)])
    budget = state.budget._replace(late_write=state.budget.late_write - 1)
    return state._replace(nodes=nodes, stuck=(call, head), is_stuck_void=is_void, budget=budget)


def unstick(state: State) -> State:
    """Have the write that is under way come to nothing."""
    return state._replace(
        nodes=tuple([n._replace(stuck=()) if n.stuck else n for n in state.nodes]), stuck=(), is_stuck_void=0
    )


def _land(state: State) -> State:
    call, head = state.stuck or (0, state.head)
    entries, is_void = [n.stuck or NO_ENTRY for n in state.nodes], state.is_stuck_void
    state = unstick(state)
    if call == CLAIM:
        if head.generation <= max(state.claim.generation, state.head.generation):
            return state
        nodes = tuple([n._replace(claimed=e) for n, e in zip(state.nodes, entries, strict=True)])
        return state._replace(nodes=nodes, claim=head)
    if call == CONCLUDE:
        if state.outcome != NO_HEAD or (state.head.state, state.head.generation) != (NEW, head.generation):
            return state
        nodes = tuple([n._replace(concluded=e) for n, e in zip(state.nodes, entries, strict=True)])
        return state._replace(nodes=nodes, outcome=head)
    if call == _CREATE and state.head.state != NO_RECORD:
        return state
    return count(state) if is_void else write(state, head, entries)


def write(state: State, head: Head, entries: list[Entry]) -> State:
    """Overwrite the record."""
    state = count(state)
    is_same = all((n.entry.kind == 0) == (e.kind == 0) for n, e in zip(state.nodes, entries, strict=True))
    nodes = tuple([n._replace(entry=e) for n, e in zip(state.nodes, entries, strict=True)])
    return state._replace(nodes=nodes, head=head, plain=int(state.plain and is_same))


def count(state: State) -> State:
    """Give the record its next version: what is still to be written and follows an earlier one is void."""
    return state._replace(
        controls=tuple([c._replace(is_void=1) if c.call == WRITE else c for c in state.controls]),
        is_recall_void=int(bool(state.recalled)),
        is_stuck_void=int((state.stuck or (NO_CALL,))[0] in _WRITES),
    )


# The record is created only where there is none: unlike an overwrite, that comes too late for nothing.
_CREATE = -1
_WRITES = (INSTALL, INSTALL_OUTCOME, WRITE)
