"""etcd by hand: the same processes driven by a plain script with etcdctl, and nothing around them. The floor."""

from __future__ import annotations

import itertools
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import certificates
from benchmarks.certificates import Files
from benchmarks.etcd_process import Etcd, start_together, stopped_at_the_end, wait_until_served
from benchmarks.writes import TRANSFER, Gaps, Mark, expect_kept, watched
from lab.etcdctl import Etcdctl
from lab.paths import LabError, default_etcd
from lab.site import METADATA_PORT, free_cidr, guard_address
from lab.writer import Writer

_BOUND_S: Final = 60.0
_PAUSE_S: Final = 0.05  # between two tries of the script
_LOOK_S: Final = 0.01
_GONE: Final = "member not found"


@dataclass(frozen=True)
class Replaced:
    """How long a replacement took, in seconds.

    Attributes:
        since_death_s: from the death of the old member until the new one served as a voter.
        took_s: from the moment when the dead member was out and the new one was to come.
        steps: of that.
    """

    since_death_s: float
    took_s: float
    steps: dict[str, float]


class Network:
    """Loopback addresses of a network that no lab takes meanwhile.

    Args:
        folder: for data and logs.
        program: the etcd binary; default: the lab's.
        https: with certificates that are made now.
    """

    def __init__(self, folder: Path, *, program: Path | None = None, https: bool = False) -> None:
        self._folder = folder
        self._program = program or default_etcd()
        self._runs = itertools.count(1)
        cidr = free_cidr()
        self._held = socket.create_server((guard_address(cidr), METADATA_PORT))
        self._addresses = [f"{cidr.removesuffix('.0.0/16')}.0.{last}" for last in range(4, 20)]
        self._files = certificates.make(folder / "pki", self._addresses) if https else None

    def close(self) -> None:
        """Give the network back."""
        self._held.close()

    @contextmanager
    def cluster(self) -> Iterator[Cluster]:
        """Form a cluster of three; it is gone at the end."""
        run = self._folder / f"by-hand-{next(self._runs)}"
        cluster = Cluster(run, self._addresses, program=self._program, files=self._files)
        with stopped_at_the_end(cluster.etcds):
            cluster.form()
            yield cluster

    def form(self) -> float:
        """Form a cluster of three and throw it away; returns the seconds that forming took."""
        with self.cluster() as cluster:
            return cluster.formed_s


class Cluster:
    """Three members, and the script.

    Args:
        folder: for data and logs.
        addresses: taken in turn.
        program: the etcd binary.
        files: for https; the script itself speaks http only.

    Attributes:
        etcds: all that were ever started.
        formed_s: how long it took to form, from the start of the first process until each had answered a linearizable
            read.
    """

    def __init__(self, folder: Path, addresses: list[str], *, program: Path, files: Files | None) -> None:
        self.etcds: list[Etcd] = []
        self.formed_s = 0.0
        self._folder = folder
        self._addresses = iter(addresses)
        self._program = program
        self._files = files
        self._running: list[Etcd] = []
        self._told: list[tuple[float, str]] = []

    def form(self) -> None:
        """Start three at once, with a list that somebody knew beforehand."""
        self._running = [self._new() for _ in range(3)]
        began = time.monotonic()
        start_together(self._running)
        wait_until_served(self._running, deadline=began + _BOUND_S)
        self.formed_s = time.monotonic() - began

    def replace(self, *, leader: bool) -> Replaced:
        """Kill the leader or a follower, take it out of the list, and bring a new one in."""
        leading = self._leader()
        victim = next(each for each in self._running if (each is leading) is leader)
        member = self._ids()[victim.name]
        self._running.remove(victim)
        died = time.monotonic()
        victim.kill()
        self._wait_for_a_leader()  # asked meanwhile, etcd would keep the script waiting for 5 s
        self._insist("member", "remove", f"{member:x}")
        began = time.monotonic()
        self._told.clear()
        self._bring_in(self._new())
        ends = [began, *(at for at, _ in self._told)]
        steps = {what: at - before for before, (at, what) in zip(ends, self._told, strict=False)}
        steps = {"start to promote" if name == "promote" else name: took for name, took in steps.items()}
        return Replaced(ends[-1] - died, ends[-1] - began, steps)

    def gaps(self) -> Gaps:
        """Write all the time over a rolling refresh."""
        with Writer(lambda: [each.client_url for each in self._running], pause_s=0.0) as writer:
            time.sleep(1.0)
            self._told.clear()
            refresh = watched(writer, self._refresh, lambda began: [Mark(at - began, what) for at, what in self._told])
        expect_kept(writer)
        return Gaps((), (), (refresh,))

    # -- the script -----------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """A new member in, an old one out, three times; the leader hands over before it goes."""
        for old in list(self._running):
            self._bring_in(self._new())
            if self._leader() is old:
                self._move_leadership(self._running[1])
            self._insist("member", "remove", f"{self._ids()[old.name]:x}", without=old)
            self._running.remove(old)  # it ends by itself
            self._note("remove")

    def _bring_in(self, new: Etcd) -> None:
        added = json.loads(
            self._insist("member", "add", new.name, f"--peer-urls={new.peer_url}", "--learner", "--write-out=json")
        )
        self._note("add")
        peers = ",".join(each.peer for each in (*self._running, new))
        new.start({"ETCD_INITIAL_CLUSTER": peers, "ETCD_INITIAL_CLUSTER_STATE": "existing"})
        self._insist("member", "promote", f"{added['member']['ID']:x}")
        self._note("promote")
        wait_until_served([new], deadline=time.monotonic() + _BOUND_S)
        self._note("serves")
        self._running.append(new)

    def _move_leadership(self, to: Etcd) -> None:
        self._etcdctl().run("move-leader", f"{self._ids()[to.name]:x}")
        self._note(TRANSFER)

    def _insist(self, *arguments: str, without: Etcd | None = None) -> str:
        """Repeat what etcd refuses: a member changes no list for 5 s after it connected; a learner must catch up."""
        deadline = time.monotonic() + _BOUND_S
        while True:
            try:
                return self._etcdctl(without).run(*arguments)
            except LabError as error:
                if _GONE in str(error):  # an earlier try has done it, though its answer did not come
                    return ""
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_PAUSE_S)

    def _wait_for_a_leader(self) -> None:
        deadline = time.monotonic() + _BOUND_S
        while not any(each.is_leader() for each in self._running):
            if time.monotonic() >= deadline:
                raise TimeoutError("no member leads")
            time.sleep(_LOOK_S)

    def _leader(self) -> Etcd:
        leader = self._etcdctl().leader()
        names = {number: name for name, number in self._ids().items()}
        return next(each for each in self._running if each.name == names.get(leader))

    def _ids(self) -> dict[str, int]:
        return {each.get("name", ""): each["ID"] for each in self._etcdctl().members()}

    def _etcdctl(self, without: Etcd | None = None) -> Etcdctl:
        return Etcdctl(self._program, [each.client_url for each in self._running if each is not without])

    def _new(self) -> Etcd:
        address = next(self._addresses)
        name = f"hand-{address.rpartition('.')[2]}"
        etcd = Etcd(name, address, self._folder / name, program=self._program, files=self._files)
        self.etcds.append(etcd)
        return etcd

    def _note(self, what: str) -> None:
        self._told.append((time.monotonic(), what))
