"""How fast clusters form and heal: ``python -m benchmarks.cluster [--runs N]``, from the root of the repository.

Ours, by hand and the seed's way take turns in one run, on the same machine and the same etcd, so that a busy machine is
busy for all of them. What counts is the ratios. docs/performance.md says what is measured, from when to when.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.by_hand import Network
from benchmarks.figures import Figures, ratio, shares, table
from benchmarks.ours import ETCD_SETTLES_S, Gaps, Ours, Run
from benchmarks.seed_group import SeedGroup
from benchmarks.timeline import MissingMomentError
from lab import Lab
from lab.paths import LabError, default_etcd, etcd_version

# By hand and the seed's way there is no TLS either.
HTTP: Final = {"etcd:etcd_client_scheme": "http", "etcd:etcd_peer_scheme": "http"}
APART_S: Final = (0.0, 2.0, 4.0)
_FORMATIONS_A_ROUND: Final = 3
_SEED_FORMS_S: Final = 15.0
_SEED_REPLACES_S: Final = 60.0
_STEPS: Final = ("event", "observe", "add", "publish", "agent", "etcd start", "catch-up", "promote", "complete")


@dataclass
class Measured:
    """Everything measured, run by run."""

    by_hand: list[float] = field(default_factory=list)
    formed: list[Run] = field(default_factory=list)
    formed_cold: list[Run] = field(default_factory=list)
    formed_apart: list[Run] = field(default_factory=list)
    replaced: list[Run] = field(default_factory=list)
    replaced_leader: list[Run] = field(default_factory=list)
    gaps: list[Gaps] = field(default_factory=list)
    seed_formed: list[float | None] = field(default_factory=list)
    seed_formed_apart: list[float | None] = field(default_factory=list)
    seed_replaced: list[float | None] = field(default_factory=list)


def main() -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks.cluster", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="rounds of about two minutes each, default 3")
    rounds: int = parser.parse_args().runs
    if rounds < 1:
        parser.error(f"--runs {rounds}: expected 1 or more")
    load = os.getloadavg()[0]
    measured = Measured()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            measure(Path(folder), rounds, measured)
    except (LabError, MissingMomentError, TimeoutError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    print(report(measured, machine=f"{machine()}; load before the run {load:.1f}; {rounds} rounds"))
    return 0


def measure(folder: Path, rounds: int, measured: Measured) -> None:
    """Take turns.

    Raises:
        LabError: something of the lab failed.
        TimeoutError: etcd by hand did not serve within a minute.
        MissingMomentError: a log does not tell what it should.
    """
    network = Network(folder / "by-hand")
    with Lab(folder / "lab") as lab:
        lab.deploy(HTTP)
        ours, seed = Ours(lab), SeedGroup(lab, folder / "seed")
        for number in range(1, rounds + 1):
            began = time.monotonic()
            measured.seed_replaced.append(seed.replace(bound_s=_SEED_REPLACES_S))
            for apart_s, cold, runs in (
                *[((), False, measured.formed)] * _FORMATIONS_A_ROUND,
                (APART_S, False, measured.formed_apart),
                ((), True, measured.formed_cold),
            ):
                ours.empty()
                measured.by_hand.append(network.form())
                runs.append(ours.form(apart_s=apart_s, cold=cold))
                _say(f"formed in {runs[-1]}, by hand in {measured.by_hand[-1]:.2f} s")
            for leader, runs in ((False, measured.replaced), (True, measured.replaced_leader)):
                time.sleep(ETCD_SETTLES_S)
                runs.append(ours.replace(leader=leader))
                _say(f"replaced in {runs[-1]}")
            time.sleep(ETCD_SETTLES_S)
            measured.gaps.append(ours.gaps())
            measured.seed_formed.append(seed.form(apart_s=(0.0, 0.0, 0.0), bound_s=_SEED_FORMS_S))
            measured.seed_formed_apart.append(seed.form(apart_s=APART_S, bound_s=_SEED_FORMS_S))
            _say(f"round {number} of {rounds}: {time.monotonic() - began:.0f} s")
    network.close()


def report(measured: Measured, *, machine: str) -> str:
    """Return everything as Markdown."""
    return "\n\n".join(
        [
            machine,
            "Formation, seconds: median [fastest-slowest]",
            _formation(measured),
            "Replacement, seconds",
            _replacement(measured),
            "Where our time goes, medians",
            _steps(measured),
            "Longest time without an acknowledged write, seconds",
            _gaps(measured.gaps),
        ]
    )


def machine() -> str:
    """Return what this is measured on."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, etcd {etcd_version(default_etcd())}"


def _formation(measured: Measured) -> str:
    by_hand = Figures.of(measured.by_hand)
    apart = "/".join(f"{each:g}" for each in APART_S)
    rows = [
        ("by hand, all at once", by_hand),
        ("ours, all at once", _took(measured.formed)),
        ("ours, all at once, the function cold", _took(measured.formed_cold)),
        (f"ours, hosts booting after {apart} s, from the last boot", _took(measured.formed_apart)),
        ("the seed's way, all at once", Figures.of(measured.seed_formed)),
        (f"the seed's way, hosts booting after {apart} s, from the last boot", Figures.of(measured.seed_formed_apart)),
    ]
    head = ("formation", "seconds", "runs", "to by hand (goal for ours: 2 x at most)")
    return table(head, [(name, str(each), str(each.tries), ratio(each, by_hand)) for name, each in rows])


def _replacement(measured: Measured) -> str:
    seed = Figures.of(measured.seed_replaced)
    rows = [
        ("the seed's way", seed),
        ("ours, a follower was lost", _took(measured.replaced)),
        ("ours, the leader was lost", _took(measured.replaced_leader)),
    ]
    head = ("replacement", "seconds", "runs", "the seed's way to it (goal: 6 x at least)")
    return table(head, [(name, str(each), str(each.tries), ratio(seed, each)) for name, each in rows])


def _steps(measured: Measured) -> str:
    columns = [
        {name: (took, share) for name, took, share in shares([run.steps for run in runs])}
        for runs in (measured.formed, measured.formed_cold, measured.replaced)
    ]
    head = ("step", "formation ms", "%", "formation, cold, ms", "%", "replacement ms", "%")
    none = ("-", "-")
    return table(head, [(step, *(cell for column in columns for cell in column.get(step, none))) for step in _STEPS])


def _gaps(gaps: Sequence[Gaps]) -> str:
    transfer = Figures.of(each.transfer_s for each in gaps)
    rows = [
        ("nothing happens", Figures.of(each.quiet_s for each in gaps)),
        ("one bare leadership transfer (etcdctl move-leader)", transfer),
        ("ours: instance refresh of all three", Figures.of(each.refresh_s for each in gaps)),
    ]
    head = ("while", "seconds", "to a bare transfer")
    return table(head, [(name, f"{each:.3f}", ratio(each, transfer)) for name, each in rows])


def _say(text: str) -> None:
    """Tell each run as it happens, so that an odd one can be looked into."""
    print(text, file=sys.stderr, flush=True)


def _took(runs: Sequence[Run]) -> Figures:
    return Figures.of(run.took_s for run in runs)


if __name__ == "__main__":
    sys.exit(main())
