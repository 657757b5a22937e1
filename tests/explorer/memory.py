"""What a controller has in mind: its next call, and what it has done in its run."""

from __future__ import annotations

from typing import TypeVar

from tests.explorer.mind import Choice
from tests.explorer.state import NO_CALL, NO_CONTROL, NO_MIND, WRITE, Control, Mind, State

T = TypeVar("T")


def decide(state: State, control: int, choice: Choice, *, is_void: int = 0) -> State:
    """Have a controller make up its mind; at the end of a run it forgets everything."""
    if choice.call == NO_CALL:
        return forget(state, control) if choice.ends_run else state
    nodes = tuple(
        [
            n
            if not mark and not entry
            else n._replace(minds=with_at(n.minds, control, Mind(n.minds[control].done, mark, entry)))
            for n, (mark, entry) in zip(state.nodes, choice.marks, strict=True)
        ]
    )
    decided = state.controls[control]._replace(
        call=choice.call, head=choice.head, is_outdated=0, is_void=int(is_void and choice.call == WRITE)
    )
    return state._replace(nodes=nodes, controls=with_at(state.controls, control, decided))


def forget(state: State, control: int) -> State:
    """End a run: its memory is gone."""
    nodes = [
        n if n.minds[control] == NO_MIND else n._replace(minds=with_at(n.minds, control, NO_MIND)) for n in state.nodes
    ]
    return state._replace(nodes=tuple(nodes), controls=with_at(state.controls, control, NO_CONTROL))


def called(state: State, control: int) -> State:
    """Take the call off a controller's mind; what it has done stays in it."""
    minds = [(n, n.minds[control]) for n in state.nodes]
    nodes = tuple(
        [
            n if m[1:] == NO_MIND[1:] else n._replace(minds=with_at(n.minds, control, Mind(done=m.done)))
            for n, m in minds
        ]
    )
    mind = state.controls[control]
    return state._replace(
        nodes=nodes, controls=with_at(state.controls, control, Control(transfer_failed=mind.transfer_failed))
    )


def with_at(values: tuple[T, ...], index: int, value: T) -> tuple[T, ...]:
    """Return a tuple in which one value is another."""
    return (*values[:index], value, *values[index + 1 :])
