"""A look that is torn: members are asked at the same time, and something happens between two of their answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.explorer.effects import name_of
from tests.explorer.etcd import Rules
from tests.explorer.fold import settle
from tests.explorer.memory import decide
from tests.explorer.mind import choices_of
from tests.explorer.sight import SILENT, Age, Fact, Sight, sight_of
from tests.explorer.state import NO_CALL, State, Step


def steps(state: State, control: int, happenings: Iterable[Step], rules: Rules) -> Iterator[Step]:
    """Yield what a controller may decide that looks while one thing happens.

    What AWS says is asked for first and so is of before; one member answers before and the others after, or one after
    and the others before.
    """
    mind = state.controls[control]
    if mind.call != NO_CALL or any(n.is_behind for n in state.nodes):
        return
    before = sight_of(state, control, Age(), has_learners=rules.has_learners)
    for step in happenings:
        if step.problem or len(step.state.nodes) != len(state.nodes):
            continue
        after = _led(step.state)
        sights = _torn(before, sight_of(after, control, Age(), has_learners=rules.has_learners))
        paid = after._replace(budget=after.budget._replace(tear=after.budget.tear - 1))
        for sight in sights:
            for choice in choices_of(sight):
                decided = _outdated(decide(paid, control, choice), control)
                if decided != paid or choice.problem:
                    text = f"{step.text}, while {name_of(control)} looks: {choice.text}"
                    yield Step(text, step.node, decided, choice.problem)


def _led(state: State) -> State:
    """Return a state with its leaders elected and its nodes where they were."""
    settled, order = settle(state)
    nodes = list(state.nodes)
    for node, i in zip(settled.nodes, order, strict=True):
        nodes[i] = node
    return settled._replace(nodes=tuple(nodes))


def _outdated(state: State, control: int) -> State:
    mind = state.controls[control]
    controls = list(state.controls)
    controls[control] = mind._replace(is_outdated=int(mind.call != NO_CALL))
    return state._replace(controls=tuple(controls))


def _torn(before: Sight, after: Sight) -> set[Sight]:
    """Return the sights whose answers are partly of before and partly of after."""
    pairs = list(zip(before.facts, after.facts, strict=True))
    if all((a.reading, a.listed) == (b.reading, b.listed) for a, b in pairs):
        return set()
    asked = [i for i, (a, b) in enumerate(pairs) if a.reading != SILENT or b.reading != SILENT]
    parts = [{i} for i in asked] + [set(asked) - {i} for i in asked]
    return {
        before._replace(facts=tuple([_fact(a, b, is_early=i in early) for i, (a, b) in enumerate(pairs)]))
        for early in parts
    }


def _fact(before: Fact, after: Fact, *, is_early: bool) -> Fact:
    reading = before.reading if is_early else after.reading
    return before._replace(reading=reading, listed=after.listed, known=before.listed, is_behind=int(is_early))
