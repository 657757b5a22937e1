"""``python -m tests.explorer``: explore every scope, two at a time, and print what was found.

python -m tests.explorer --states 10000000 --seconds 3600   # make explore
python -m tests.explorer --scope form-3 --states 100000
python -m tests.explorer --replay form-1:0.0
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

from tests.explorer.progress import Progress
from tests.explorer.say import say
from tests.explorer.scopes import SCOPES, known_problems
from tests.explorer.search import Finding, Result, explore, replay


def main() -> int:
    """Return 0 if no rule was broken but in the ways that docs/explorer.md tells of."""
    options = _options()
    if options.replay:
        return _replay(options.replay)
    names = options.scope or list(SCOPES)
    if options.first:
        return _first(names, options)
    began = time.monotonic()
    say(f"{'scope':22}{'states':>11}{'transitions':>13}{'depth':>7}{'per s':>8}  end")
    results = _explore_all(names, options)
    seconds = time.monotonic() - began
    total = sum(r.states for r in results)
    findings = sorted((f for r in results for f in r.findings), key=lambda f: (is_known(f), len(f.story)))
    news = sum(not is_known(f) for f in findings)
    exhausted = sum(r.is_exhausted for r in results)
    say(
        f"{total} distinct states in {seconds:.0f} s, {total / seconds:.0f} a second; "
        f"{exhausted} of {len(results)} scopes exhausted; {news} new findings, {len(findings) - news} known"
    )
    for finding in findings:
        say(f"\n{'known: ' if is_known(finding) else ''}{finding}")
    return 1 if news else 0


def is_known(finding: Finding) -> bool:
    """Whether docs/explorer.md tells of it."""
    return finding.problem in known_problems(finding.scope)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.explorer", description=__doc__.splitlines()[0])
    parser.add_argument("--states", type=int, default=200_000, help="of all scopes together")
    parser.add_argument("--seconds", type=float, default=120.0, help="of all scopes together")
    parser.add_argument("--scope", action="append", choices=list(SCOPES), help="only this one; may be given again")
    parser.add_argument("--first", action="store_true", help="stop at the first problem that is not known")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--progress-every", type=int, default=1, metavar="N", help="INV-8 from each n-th state")
    parser.add_argument("--replay", metavar="SCOPE:TOKEN", help="tell one story again")
    return parser.parse_args()


def _explore_all(names: list[str], options: argparse.Namespace) -> list[Result]:
    """Explore scopes side by side; what a small one leaves of states and time goes to those that come later."""
    began = time.monotonic()
    results: list[Result] = []
    running: dict[Future[Result], int] = {}
    queue = list(names)
    with ProcessPoolExecutor(options.processes) as pool:
        while queue or running:
            while queue and len(running) < options.processes:
                spent = sum(r.states for r in results) + sum(running.values())
                states = max((options.states - spent) // len(queue), 1)
                time_left = began + options.seconds - time.monotonic()
                seconds = max(time_left * options.processes / (len(queue) + len(running)), 1)
                task = pool.submit(_explore, queue.pop(0), states, min(seconds, time_left), options.progress_every)
                running[task] = states
            for task in wait(running, return_when=FIRST_COMPLETED).done:
                del running[task]
                results.append(task.result())
                _print(results[-1])
    return results


def _explore(name: str, states: int, seconds: float, progress_every: int) -> Result:
    return explore(SCOPES[name], states=states, seconds=seconds, progress_every=progress_every)


def _print(result: Result) -> None:
    end = "exhausted" if result.is_exhausted else "bounded"
    found = f", {len(result.findings)} findings" if result.findings else ""
    rate = result.states / max(result.seconds, 0.001)
    say(
        f"{result.scope:22}{result.states:11}{result.transitions:13}{result.depth:7}{rate:8.0f}  {end}{found}",
    )


def _first(names: list[str], options: argparse.Namespace) -> int:
    """Stop at the first problem that is not known, and print it."""
    for name in names:
        found = explore(
            SCOPES[name], states=options.states, seconds=options.seconds, most_findings=1, known=known_problems(name)
        ).findings
        if found:
            say(found[0])
            return 1
    return 0


def _replay(text: str) -> int:
    name, _, token = text.partition(":")
    scope = SCOPES[name]
    state, story, problem = replay(scope, tuple(int(n) for n in token.split(".") if n))
    problem = problem or Progress(scope.rules).problem(state)
    for number, line in enumerate(story, 1):
        say(f"{number:4}. {line}")
    say(problem)
    return 1 if problem else 0
