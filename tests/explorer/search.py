"""Breadth first through every state of a scope; the first story of each kind of problem is a shortest one."""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.explorer import effects, torn, world
from tests.explorer.etcd import Rules
from tests.explorer.fold import settle
from tests.explorer.progress import Progress
from tests.explorer.properties import always
from tests.explorer.state import State, Step


class Scope(NamedTuple):
    """A small world and what may happen in it.

    Attributes:
        desires: The desired capacities that an operator chooses from.
    """

    name: str
    start: State
    rules: Rules = Rules()
    desires: tuple[int, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A broken rule and the shortest way there: the number of each step among those possible."""

    scope: str
    problem: str
    token: tuple[int, ...]
    story: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.problem}   (scope {self.scope}, {len(self.story)} steps)"]
        lines += [f"{n:4}. {line}" for n, line in enumerate(self.story, 1)]
        return "\n".join([*lines, f"      replay: {self.scope}:{'.'.join(map(str, self.token))}"])


@dataclass
class Result:
    """How far a search got."""

    scope: str
    states: int = 0
    transitions: int = 0
    depth: int = 0
    seconds: float = 0.0
    is_exhausted: bool = False
    progressed: int = 0
    findings: list[Finding] = field(default_factory=list)


def successors(state: State, scope: Scope) -> Iterator[Step]:
    """Yield every next step, in a fixed order."""
    happenings = [*world.steps(state, scope.desires), *effects.land(state, scope.rules)]
    yield from happenings
    for control in range(len(state.controls)):
        yield from effects.steps(state, control, scope.rules)
        if state.budget.tear:
            yield from torn.steps(state, control, happenings, scope.rules)


def explore(
    scope: Scope,
    *,
    states: int,
    seconds: float,
    progress_every: int = 1,
    most_findings: int = 10,
    known: Collection[str] = (),
) -> Result:
    """Visit each state of a scope once.

    Args:
        scope: What to explore.
        states: Stop after so many.
        seconds: Stop after that long.
        progress_every: Check progress (INV-8) from each n-th state; 0 for none.
        most_findings: Stop after so many kinds of problem.
        known: Kinds of problem that are passed over.
    """
    began = time.monotonic()
    gc.disable()  # tuples make no cycles, and looking for them takes half of the time
    result = Result(scope.name)
    progress = Progress(scope.rules)
    start, _ = settle(scope.start)
    parents: dict[int, int] = {hash(start): 0}
    queue: deque[tuple[State, int, int]] = deque([(start, hash(start), 0)])
    problems = dict.fromkeys(known, 0)
    while queue and len(parents) < states and len(result.findings) < most_findings:
        state, mark, depth = queue.popleft()
        result.depth = depth
        if result.transitions & 63 == 0 and time.monotonic() - began > seconds:
            queue.append((state, mark, depth))
            break
        if progress_every and mark % progress_every == 0:
            stuck = progress.problem(state)
            if stuck and stuck not in problems:
                problems[stuck] = mark
                result.findings.append(_finding(scope, stuck, parents, mark, None))
        for step in successors(state, scope):
            result.transitions += 1
            after, _ = settle(step.state)
            problem = step.problem or always(after)
            if problem:
                if problem not in problems:
                    problems[problem] = mark
                    result.findings.append(_finding(scope, problem, parents, mark, hash(after)))
                continue
            key = hash(after)
            if key not in parents:
                parents[key] = mark
                queue.append((after, key, depth + 1))
    gc.enable()
    result.is_exhausted = not queue
    result.states = len(parents)
    result.progressed = progress.known
    result.seconds = time.monotonic() - began
    return result


def _finding(scope: Scope, problem: str, parents: dict[int, int], mark: int, last: int | None) -> Finding:
    way = [] if last is None else [last]
    start = hash(settle(scope.start)[0])
    while mark != start:
        way.append(mark)
        mark = parents[mark]
    token, state = [], settle(scope.start)[0]
    for left, key in zip(range(len(way))[::-1], reversed(way), strict=True):
        for number, step in enumerate(successors(state, scope)):
            after, _ = settle(step.state)
            is_end = left == 0 and last is not None
            if hash(after) == key and (not is_end or (step.problem or always(after)) == problem):
                token.append(number)
                state = after
                break
        else:
            raise AssertionError("a way that cannot be found again: two states have one hash")
    return Finding(scope.name, problem, tuple(token), tuple(replay(scope, tuple(token))[1]))


def replay(scope: Scope, token: tuple[int, ...]) -> tuple[State, list[str], str]:
    """Go a way again.

    Returns:
        Where it ends, the story with one name for each instance, and the problem of the last step.
    """
    state, order = settle(scope.start)
    names = [f"i-{n + 1}" for n in range(len(state.nodes))]
    count, story, problem = len(names), [], ""
    for number in token:
        step = list(successors(state, scope))[number]
        named = names[step.node] if step.node >= 0 else ""
        raw = list(names)
        while len(raw) < len(step.state.nodes):
            count += 1
            raw.append(f"i-{count}")
        story.append(step.text.format(named) + (f" ({raw[-1]})" if len(raw) > len(names) else ""))
        state, order = settle(step.state)
        names = [raw[i] for i in order]
        problem = step.problem or always(state)
    return state, story, problem
