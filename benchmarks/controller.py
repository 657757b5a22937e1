"""What a look of the controller costs: a cold start, a settled tick, memory, the bundle; and how ticks grow.

All of it is the real function, of the very bundle that CDK deploys, in an environment like Lambda's; ticks look at a
real cluster in a lab, with certificates, as the stack is by default. Ours and the other way take turns.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks import controller_pythons
from benchmarks.controller_account import Account
from benchmarks.controller_code import (
    PROGRAMS,
    Bundles,
    Case,
    bundles,
    environment,
    instructions,
    runtime_folders,
    take_turns,
    zipped_mib,
)
from benchmarks.controller_report import pictures, text
from benchmarks.figures import Figures
from benchmarks.part import Goal, Part, Row
from lab import Lab

MEMBERS: Final = (1, 3, 5, 7, 9)
OTHERS: Final = (1, 10, 100, 1000)
SMALLEST_MIB: Final = 128.0
"""The memory of the smallest Lambda."""

_STAGED: Final = ("as installed", "not compiled", "deployed")


@dataclass
class Measured:
    """Everything measured.

    Attributes:
        starts: by name.
        pythons: starts by version of Python and name.
        stages: CPU seconds of each stage, run by run, by name of the bundle.
        ticks: CPU milliseconds of a settled tick, process by process, by who and how many members.
        waited: the same in milliseconds of the clock on the wall.
        account: as ``ticks``, by who and how many other groups and instances the account has.
        calls: what one tick asks, by members and others.
        peak_mib: of the deployed function's own process, after it has formed, grown and replaced.
        instructions: by name; empty where they cannot be counted.
        zipped_mib: by name.
    """

    starts: dict[str, Case] = field(default_factory=dict)
    pythons: dict[str, dict[str, Case]] = field(default_factory=dict)
    stages: dict[str, list[Mapping[str, float]]] = field(default_factory=dict)
    ticks: dict[str, dict[int, list[float]]] = field(default_factory=dict)
    waited: dict[str, dict[int, list[float]]] = field(default_factory=dict)
    account: dict[str, dict[int, list[float]]] = field(default_factory=dict)
    calls: list[Mapping[str, int]] = field(default_factory=list)
    peak_mib: float = 0.0
    instructions: dict[str, float] = field(default_factory=dict)
    zipped_mib: dict[str, float] = field(default_factory=dict)


def run(rounds: int) -> Part:
    """Measure, with so many starts of each kind, and a third of them of each size of cluster and account."""
    measured = Measured()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        made = bundles(folder / "bundles")
        measured.zipped_mib = {
            "deployed": zipped_mib(made.deployed),
            "as installed": zipped_mib(made.as_installed),
            "with boto3": zipped_mib(made.deployed, *runtime_folders()),
        }
        with Lab(folder / "lab") as lab:
            lab.deploy({"etcd:size": "1"})
            account = Account(lab, made, folder)
            _measure_growth(account, max(rounds // 3, 1), measured)
            _measure_starts(account, made, rounds, measured)
            _say(f"Pythons: {', '.join(controller_pythons.at_hand())}")
            measured.pythons = controller_pythons.compare(rounds, folder / "pythons", account.variables)
    return part(measured)


def part(measured: Measured) -> Part:
    """Return rows, words and pictures."""

    def shown(cases: Mapping[str, Case]) -> dict[str, Any]:
        return {name: {"cpu_s": case.cpu_s, "rss_mib": case.rss_mib} for name, case in cases.items()}

    pythons = {version: shown(cases) for version, cases in measured.pythons.items()}
    raw: dict[str, Any] = {**vars(measured), "starts": shown(measured.starts), "pythons": pythons}
    return Part(rows=rows(measured), text=text(measured), pictures=pictures(measured), raw=raw)


def rows(measured: Measured) -> tuple[Row, ...]:
    """Return the rows of the one table."""
    needs = "the bare imports and clients that it needs"

    def started(name: str) -> Figures:
        return Figures.of(each * 1000 for each in measured.starts[name].cpu_s)

    def start(what: str, ours: str, against: str, reference: str, goal: Goal | None = None) -> Row:
        return Row(f"cold start, {what}", "CPU ms", started(ours), against, started(reference), goal, 0)

    def tick(
        what: str,
        ours: list[float],
        against: str,
        reference: list[float],
        *,
        goal: Goal | None = None,
        unit: str = "CPU ms",
    ) -> Row:
        return Row(f"settled tick, {what}", unit, Figures.of(ours), against, Figures.of(reference), goal, digits=1)

    waited = measured.waited
    ours, bare, account = measured.ticks["ours"], measured.ticks["bare"], measured.account["ours"]
    few, many = OTHERS[0], OTHERS[-1]
    peak = max(measured.peak_mib, *measured.starts["first tick"].rss_mib)
    zipped = {name: Figures.of([size]) for name, size in measured.zipped_mib.items()}
    least, most = MEMBERS[0], MEMBERS[-1]
    calls = {
        (each["members"], each["others"]): Figures.of([float(each["aws"] + each["etcd"])]) for each in measured.calls
    }
    return (
        start("with certificates", "ready", needs, "needs", Goal(1.1)),
        start("without certificates", "ready, http", needs, "needs, http", Goal(1.1)),
        *(
            Row(
                "cold start, with certificates",
                "10⁹ instructions",
                Figures.of([ours_n]),
                needs,
                Figures.of([its]),
                Goal(1.1),
            )
            for ours_n, its in [(measured.instructions.get("ready"), measured.instructions.get("needs"))]
            if ours_n and its
        ),
        *controller_pythons.rows(measured.pythons),
        start("with certificates", "ready", f"{needs}, collector off meanwhile", "needs, kept"),
        start("without certificates", "ready, http", "boto3, requests, Powertools as usually imported", "usual"),
        start("with certificates", "ready", "the same, not compiled", "ready, not compiled"),
        start(
            "with certificates", "ready", "the same, neither compiled nor with models of its own", "ready, as installed"
        ),
        start("and first settled tick", "first tick", "the bare imports and calls", "bare first tick"),
        tick("3 members", ours[3], "the bare calls", bare[3]),
        tick("3 members", waited["ours"][3], "the bare calls", waited["bare"][3], unit="ms"),
        tick(f"{most} members", ours[most], "the bare calls", bare[most]),
        tick(f"{most} members", ours[most], f"{least} member", ours[least]),
        tick(
            f"{many} other groups and instances in the account",
            account[many],
            f"{few} other",
            account[few],
            goal=Goal(1.1),
        ),
        Row(f"the same, {many} other", "calls", calls[3, many], f"{few} other", calls[3, few], Goal(1.0), 0),
        Row("most memory", "MiB", Figures.of([peak]), "the smallest Lambda", Figures.of([SMALLEST_MIB]), Goal(1.0), 0),
        Row("bundle, zipped", "MiB", zipped["deployed"], "not compiled, no models", zipped["as installed"], digits=1),
        Row("bundle, zipped", "MiB", zipped["deployed"], "with boto3 in it", zipped["with boto3"], digits=1),
    )


def _measure_growth(account: Account, rounds: int, measured: Measured) -> None:
    measured.ticks = {who: {count: [] for count in MEMBERS} for who in ("ours", "bare")}
    measured.waited = {who: {count: [] for count in MEMBERS} for who in ("ours", "bare")}
    measured.account = {who: {count: [] for count in OTHERS} for who in ("ours", "bare")}

    def both(into: Mapping[str, dict[int, list[float]]], count: int, times: int) -> None:
        for _ in range(times):
            for who, ticks in (("ours", account.ours), ("bare", account.bare)):
                cpu_s, wall_s = zip(*ticks(), strict=True)
                into[who][count].append(1000 * statistics.median(cpu_s))
                if into is measured.ticks:
                    measured.waited[who][count].append(1000 * statistics.median(wall_s))

    def count_calls(members: int, others: int) -> None:
        measured.calls.append({"members": members, "others": others, **account.counted()})

    for members in MEMBERS:
        account.scale(members)
        _say(f"{members} members")
        both(measured.ticks, members, rounds)
        count_calls(members, 0)
    account.replace()
    measured.peak_mib = account.peak_mib()
    account.scale(3)
    for number in range(rounds):
        for others in OTHERS:
            with account.others(others):
                both(measured.account, others, 1)
                if number == 0:
                    count_calls(3, others)
            _say(f"{others} others, round {number + 1} of {rounds}")


def _measure_starts(account: Account, made: Bundles, rounds: int, measured: Measured) -> None:
    http = {**account.variables, "ETCD_PKI": "off", "MODELS": str(made.models)}
    folders = {"deployed": made.deployed, "not compiled": made.not_compiled, "as installed": made.as_installed}
    env, env_http = account.env, environment(made.deployed, http)
    first, bare = account.first_ticks()
    needs, usual = str(PROGRAMS / "needs.py"), str(PROGRAMS / "usual.py")

    def program(name: str, *told: str) -> list[str]:
        return [str(PROGRAMS / name), *told]

    ready = program("ready.py")

    def on(name: str) -> dict[str, str]:
        return {**env, **{key: str(folders[name]) for key in ("PYTHONPATH", "LAMBDA_TASK_ROOT")}}

    cases = [
        Case("python", ["-c", "pass"], env),
        Case("needs", [needs], env),
        Case("needs, kept", program("needs_kept.py"), env),
        Case("ready", ready, env),
        Case("needs, http", [needs], env_http),
        Case("ready, http", ready, env_http),
        Case("usual", [usual], env_http),
        *(Case(f"ready, {name}", ready, on(name)) for name in ("not compiled", "as installed")),
        Case("first tick", program(*first), env),
        Case("bare first tick", program(*bare), env),
    ]
    _say(f"{rounds} rounds of {len(cases)} starts")
    take_turns(cases, rounds)
    measured.starts = {case.name: case for case in cases}
    measured.stages = {name: [account.stages(on(name)) for _ in range(max(rounds // 3, 1))] for name in _STAGED}
    if shutil.which("valgrind"):
        _say("instructions")
        measured.instructions = {
            name: instructions(measured.starts[name]) / 1e9
            for name in ("needs", "needs, kept", "ready", "needs, http", "ready, http")
        }


def _say(words: str) -> None:
    print(f"controller: {words}", file=sys.stderr, flush=True)
