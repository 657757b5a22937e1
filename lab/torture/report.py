"""What is printed: a line a seed, a table at the end, the table as Markdown."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

from lab.torture.faults import Kind
from lab.torture.trial import Result

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def line(result: Result) -> str:
    """One seed."""
    faults = ", ".join(f"{each['kind']}{' (not applied)' * bool(each['problem'])}" for each in result.applied)
    verdict = "passed" if result.passed else f"FAILED: {result.problems[0][:300]}"
    return (
        f"seed {result.seed:4}  size {result.size}  {result.seconds:5.1f} s  {result.writes:5} writes  "
        f"gap {result.longest_gap_s:5.2f} s  {result.replaced} replaced  {verdict}  [{faults}]"
    )


def to_json(result: Result) -> str:
    """One seed as one line of a file."""
    return json.dumps(asdict(result))


def load(path: Path) -> list[Result]:
    """The seeds of a file, the last result of each, by seed."""
    lines = (text for text in path.read_text(encoding="utf-8").splitlines() if text.strip())
    found = {each["seed"]: Result(**each) for each in map(json.loads, lines)}
    return [found[seed] for seed in sorted(found)]


def table(results: Iterable[Result]) -> str:
    """The sum of all seeds, as Markdown."""
    found = list(results)
    seeds, applied, not_applied, why = Counter[str](), Counter[str](), Counter[str](), dict[str, Counter[str]]()
    for result in found:
        seeds.update({each["kind"] for each in result.applied})
        for each in result.applied:
            (not_applied if each["problem"] else applied)[each["kind"]] += 1
            if each["problem"]:
                why.setdefault(each["kind"], Counter())[_shortly(each["problem"])] += 1
    rows = ["| fault | seeds with it | applied | not applied |", "|---|---:|---:|---|"]
    for kind in Kind:
        reasons = "; ".join(f"{count} x {text}" for text, count in why.get(kind, Counter[str]()).most_common(3))
        rows.append(
            f"| {kind} | {seeds[kind]} | {applied[kind]} | {not_applied[kind]}{f' ({reasons})' if reasons else ''} |"
        )
    failed = [result.seed for result in found if not result.passed]
    numbers = f" ({', '.join(map(str, failed))})" if failed else ""
    versions = Counter(each.etcd for each in found if each.etcd)
    total = (
        f"etcd {', '.join(f'{version} ({count} seeds)' for version, count in sorted(versions.items()))}: "
        f"{len(found)} seeds, {len(found) - len(failed)} passed, {len(failed)} failed{numbers}; "
        f"{sum(each.writes for each in found)} writes acknowledged, {sum(each.lost for each in found)} lost; "
        f"{sum(each.replaced for each in found)} instances replaced; "
        f"{sum(each.seconds for each in found) / 60:.0f} minutes of clusters' lives."
    )
    return "\n".join([*rows, "", total])


def _shortly(problem: str) -> str:
    """The reason without ids, so that equal ones are counted together."""
    words = [word for word in problem.split() if not word.startswith("i-")]
    return " ".join(words)[:60]
