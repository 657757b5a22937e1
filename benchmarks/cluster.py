"""How fast clusters form and heal, and what a client sees of it: ours, by hand, the seed's way.

They take turns, on the same machine with the same etcd, so that a busy machine is busy for all of them. Three labs, one
after the other: the default etcd without TLS (by hand there is none either), the same with it, and etcd 3.4, which has
the v2 API that the seed needs. docs/performance.md says what is measured, from when to when.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Final, TypeVar

from benchmarks.by_hand import Network
from benchmarks.cluster_report import Measured, part
from benchmarks.ours import ETCD_SETTLES_S, Ours
from benchmarks.part import Part
from benchmarks.seed_group import SeedGroup
from lab import Lab
from tests.real_etcd import find_binary

_T = TypeVar("_T")

HTTP: Final = {"etcd:etcd_client_scheme": "http", "etcd:etcd_peer_scheme": "http"}
APART_S: Final = (0.0, 2.0, 4.0)
_FORMATIONS_A_ROUND: Final = 8
_TRANSFERS_A_ROUND: Final = 8
_REFRESHES_A_ROUND: Final = 2
_SEED_FORMS_S: Final = 15.0
_SEED_REPLACES_S: Final = 60.0


def run(rounds: int) -> Part:
    """Measure so many rounds of about five minutes each, half of it for the seed's way in every other one.

    Raises:
        LabError: something of the lab failed.
        TimeoutError: etcd by hand did not serve within a minute.
        MissingMomentError: a log does not tell what it should.
        NotAtHandError: there is no etcd 3.4.
    """
    measured = Measured()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        _plain(folder / "plain", rounds, measured)
        _with_tls(folder / "tls", rounds, measured)
        _beside_the_seed(folder / "seed", rounds, measured)
    return part(measured)


def _plain(folder: Path, rounds: int, measured: Measured) -> None:
    network = Network(folder / "by-hand")
    with Lab(folder / "lab") as lab:
        lab.deploy(HTTP)
        ours = Ours(lab)
        for number in range(1, rounds + 1):
            began = time.monotonic()
            for _ in range(_FORMATIONS_A_ROUND):
                ours.empty()
                _note("by hand", measured.hand_formed, network.form())
                _note("ours", measured.formed, ours.form())
            ours.empty()
            _note("apart", measured.formed_apart, ours.form(apart_s=APART_S))
            ours.empty()
            _note("cold", measured.formed_cold, ours.form(cold=True))
            for leader in (False, True):
                time.sleep(ETCD_SETTLES_S)
                _note("replaced", measured.replaced[leader], ours.replace(leader=leader))
            time.sleep(ETCD_SETTLES_S)
            gaps = ours.gaps(bare_transfers=_TRANSFERS_A_ROUND, refreshes=_REFRESHES_A_ROUND)
            _note("longest gaps", measured.gaps, gaps)
            ours.empty()
            with network.cluster() as hand:
                time.sleep(ETCD_SETTLES_S)
                _note("longest gaps, by hand", measured.hand_gaps, hand.gaps())
                for leader in (False, True):
                    time.sleep(ETCD_SETTLES_S)
                    _note("by hand", measured.hand_replaced[leader], hand.replace(leader=leader))
            _say(f"round {number} of {rounds}: {time.monotonic() - began:.0f} s")
    network.close()


def _with_tls(folder: Path, rounds: int, measured: Measured) -> None:
    network = Network(folder / "by-hand", https=True)
    with Lab(folder / "lab") as lab:
        lab.deploy()
        ours = Ours(lab)
        for _ in range(rounds):
            ours.empty()
            _note("by hand, https", measured.hand_formed_tls, network.form())
            _note("ours, https", measured.formed_tls, ours.form())
    network.close()


def _beside_the_seed(folder: Path, rounds: int, measured: Measured) -> None:
    """Measure half as many rounds: the seed's pauses take long, and differ little from run to run."""
    etcd, half = find_binary("3.4"), (rounds + 1) // 2
    with Lab(folder / "lab", etcd=etcd) as lab:
        lab.deploy(HTTP)
        ours, seed = Ours(lab, tells_steps=False), SeedGroup(lab, folder / "hosts", program=etcd)
        for number in range(1, half + 1):
            began = time.monotonic()
            ours.empty()
            for leader in (False, True):
                _note(
                    "the seed's way",
                    measured.seed_replaced[leader],
                    seed.replace(leader=leader, bound_s=_SEED_REPLACES_S),
                )
            measured.seed_rolled.append(seed.roll(bound_s=_SEED_REPLACES_S))
            for apart_s, runs in (((0.0, 0.0, 0.0), measured.seed_formed), (APART_S, measured.seed_formed_apart)):
                _note(
                    "the seed's way",
                    runs,
                    seed.form(apart_s=apart_s, bound_s=_SEED_FORMS_S),
                )
            _note("ours, apart, 3.4", measured.old_formed_apart, ours.form(apart_s=APART_S))
            ours.empty()
            _note("ours, 3.4", measured.old_formed, ours.form())
            for leader in (False, True) * 2:
                time.sleep(ETCD_SETTLES_S)
                _note("ours, 3.4", measured.old_replaced[leader], ours.replace(leader=leader))
            time.sleep(ETCD_SETTLES_S)
            _note("longest gaps, 3.4", measured.old_gaps, ours.gaps())
            _say(f"round {number} of {half} beside the seed's way: {time.monotonic() - began:.0f} s")


def _note(what: str, runs: list[_T], result: _T) -> None:
    """Keep each run and tell it as it happens, so that an odd one can be looked into."""
    runs.append(result)
    _say(f"{what}: {result}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
