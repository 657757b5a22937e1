"""The hosts behind ``FakeEtcd``: etcd processes, their data, who hears whom, and who leads."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from etcd_aws_cluster.core.model import ClusterId, Member, MemberId
from etcd_aws_cluster.core.ports import Clock

NOBODY = MemberId(0)


def endpoint_of(peer_url: str) -> str:
    """Return the client endpoint of the member with that peer URL."""
    parts = urlsplit(peer_url)
    return f"{parts.scheme}://{parts.hostname}:2379"


@dataclass(eq=False)
class Cluster:
    """What the members agree on.

    Attributes:
        in_sync: Whose logs this leader has seen come up to its own; etcd forgets that with a leader, not with a death.
    """

    token: str
    cluster_id: ClusterId
    members: dict[MemberId, Member]
    removed: set[MemberId] = field(default_factory=set)
    have_run: set[MemberId] = field(default_factory=set)
    in_sync: set[MemberId] = field(default_factory=set)
    leader_id: MemberId | None = None
    index: int = 10

    @property
    def voters(self) -> list[Member]:
        return [m for m in self.members.values() if not m.is_learner]


@dataclass(eq=False)
class Process:
    """One etcd on its host, and its data directory.

    Attributes:
        cluster: Of its data; None where the directory is empty.
        may_serve: Whether it may publish its name and serve clients; etcd can take 7 s to.
        is_ready: It does. Since its start it has seen a quorum.
        is_caught_up: Its log is its leader's.
        started: Its last start; with ``hung``, its last hang, one count of what happened.
    """

    name: str
    peer_url: str
    cluster: Cluster | None = None
    member_id: MemberId = NOBODY
    is_running: bool = False
    is_hung: bool = False
    is_partitioned: bool = False
    is_unreachable: bool = False
    may_serve: bool = True
    is_ready: bool = False
    is_caught_up: bool = False
    applied_index: int = 0
    connected_at: float = 0.0
    started: int = 0
    hung: int = 0

    @property
    def is_connected(self) -> bool:
        """Whether the other members hear from it."""
        return self.is_running and not self.is_hung and not self.is_partitioned


class EtcdHosts:
    """Every etcd process there is, and what happens to it.

    Args:
        clock: With one, connections have an age.
        catches_up_at_once: A joiner needs no ``catch_up``.
        notices_hung: A member takes one that hangs for unconnected. From 3.5 it does not, as long as the kernel of
            the other keeps the connection: its read timeout has got lost.
    """

    def __init__(
        self, *, clock: Clock | None = None, catches_up_at_once: bool = False, notices_hung: bool = False
    ) -> None:
        self.clusters: list[Cluster] = []
        self.processes: dict[str, Process] = {}
        self._clock = clock
        self._catches_up_at_once = catches_up_at_once
        self.notices_hung = notices_hung
        self._happenings = itertools.count(1)

    def form(self, peer_urls: Mapping[str, str], *, token: str = "etcd-1") -> Cluster:  # noqa: S107 - names a cluster
        """Start one new cluster, all members at once; a second one is foreign to the first."""
        for name in peer_urls:
            self.start_new(name, peer_urls, token=token)
        return self.cluster_of(next(iter(peer_urls)))

    def start_new(self, name: str, initial_cluster: Mapping[str, str], *, token: str = "etcd-1") -> bool:  # noqa: S107
        """Start one member of a new cluster, as etcd does with state ``new``: ids follow from URLs and token.

        Returns:
            Whether it stays up; one that has run before and lost its data does not.
        """
        cluster_id = ClusterId(id_of(token, *sorted(initial_cluster.values())))
        cluster = next((c for c in self.clusters if c.cluster_id == cluster_id), None)
        if cluster is None:
            members = (
                Member(member_id=MemberId(id_of(token, url)), name=member_name, peer_urls=(url,))
                for member_name, url in initial_cluster.items()
            )
            cluster = Cluster(token, cluster_id, {m.member_id: m for m in members})
            self.clusters.append(cluster)
        url = initial_cluster[name]
        member_id = MemberId(id_of(token, url))
        if member_id in cluster.have_run:
            return False
        self.processes[name] = Process(name, url, cluster=cluster, member_id=member_id, is_caught_up=True)
        self._run(self.processes[name])
        return True

    def start(self, name: str, peer_url: str | None = None, *, may_serve: bool = True) -> bool:
        """Start etcd with state ``existing``; return whether it stays up.

        It exits at once when it was removed, is not in any member list, or is in one but has lost its data.
        """
        process = self.processes.get(name)
        if process is None or (peer_url is not None and process.peer_url != peer_url):
            if peer_url is None:
                raise ValueError(f"{name} is new: its first start needs a peer_url")
            process = self.processes[name] = Process(name, peer_url)
        if process.cluster is None and not self._join(process):
            return False
        if process.cluster is None or process.member_id in process.cluster.removed:
            return False
        process.may_serve = may_serve
        self._run(process)
        return True

    def serve(self, name: str) -> None:
        """Let a process that was started with ``may_serve=False`` publish its name and serve clients."""
        self.processes[name].may_serve = True
        self._settle()

    def catch_up(self, name: str) -> None:
        """Let a joiner's log reach the leader's."""
        self.processes[name].is_caught_up = True
        self._settle()

    def stop(self, name: str) -> None:
        """End the process; its data stays."""
        self.processes[name].is_running = self.processes[name].is_ready = False
        self._settle()

    def wipe(self, name: str) -> None:
        """End the process and lose its data."""
        self.stop(name)
        self.processes[name].cluster = None

    def kill(self, endpoint: str) -> None:
        """End the process at an endpoint: connections are refused."""
        self.stop(self._at(endpoint).name)

    def hang(self, endpoint: str) -> None:
        """Stop a process without ending it: it accepts connections and does nothing."""
        process = self._at(endpoint)
        process.is_hung, process.hung = True, next(self._happenings)
        self._settle()

    def partition(self, endpoint: str) -> None:
        """Cut a member off from the other members; the controller still reaches it."""
        self._at(endpoint).is_partitioned = True
        self._settle()

    def hide(self, endpoint: str) -> None:
        """Cut a member off from the controller; the other members still reach it."""
        self._at(endpoint).is_unreachable = True

    def heal(self, endpoint: str) -> None:
        """Undo ``hang``, ``partition`` and ``hide``."""
        process = self._at(endpoint)
        process.is_hung = process.is_partitioned = process.is_unreachable = False
        process.connected_at = self._now()
        self._settle()

    def cluster_of(self, name: str) -> Cluster:
        """Return the cluster that a process belongs to."""
        cluster = self.processes[name].cluster
        if cluster is None:
            raise ValueError(f"{name} has no data: it belongs to no cluster")
        return cluster

    def has_quorum(self, cluster: Cluster) -> bool:
        """Whether a majority of the voters runs, connected and caught up."""
        return len(self._acting(cluster)) > len(cluster.voters) // 2

    def hears(self, process: Process, other: Process) -> bool:
        """Whether a process counts another as connected."""
        if not process.is_connected or not other.is_running or other.is_partitioned:
            return False
        return not other.is_hung or (not self.notices_hung and process.started < other.hung)

    def _now(self) -> float:
        return self._clock.now() if self._clock else 0.0

    def _run(self, process: Process) -> None:
        if process.cluster is not None:
            process.cluster.have_run.add(process.member_id)
        process.is_running, process.is_hung, process.is_ready = True, False, False
        process.started = next(self._happenings)
        process.connected_at = self._now()
        self._settle()

    def _join(self, process: Process) -> bool:
        for cluster in self.clusters:
            for member in cluster.members.values():
                if process.peer_url in member.peer_urls and member.member_id not in cluster.have_run:
                    process.cluster, process.member_id = cluster, member.member_id
                    process.is_caught_up = self._catches_up_at_once
                    return True
        return False

    def _settle(self) -> None:
        """Elect leaders, replicate, end the removed, and let processes that see a quorum publish themselves."""
        for cluster in self.clusters:
            connected = [p for p in self.processes.values() if p.cluster is cluster and p.is_connected]
            members = [p for p in connected if p.member_id in cluster.members]
            for process in connected:
                if process.member_id in cluster.removed and members:  # the others tell it, and it exits
                    process.is_running = process.is_ready = False
            acting = self._acting(cluster)
            if len(acting) <= len(cluster.voters) // 2:
                self.lead(cluster, None)
                continue
            if cluster.leader_id not in acting:
                self.lead(cluster, min(acting))
            for process in members:
                self._replicate(process, cluster)

    def lead(self, cluster: Cluster, leader_id: MemberId | None) -> None:
        """Change who leads: nobody's log has been seen by a new leader."""
        if cluster.leader_id != leader_id:
            cluster.leader_id = leader_id
            cluster.in_sync.clear()

    def _replicate(self, process: Process, cluster: Cluster) -> None:
        if process.is_caught_up:
            process.applied_index = cluster.index
            cluster.in_sync.add(process.member_id)
        if process.may_serve and not process.is_ready:
            process.is_ready = True
            cluster.members[process.member_id] = replace(
                cluster.members[process.member_id],
                name=process.name,
                client_urls=(endpoint_of(process.peer_url),),
            )

    def _acting(self, cluster: Cluster) -> set[MemberId]:
        """Return the voters that vote and store."""
        voters = {v.member_id for v in cluster.voters}
        return {
            p.member_id
            for p in self.processes.values()
            if p.cluster is cluster and p.member_id in voters and p.is_connected and p.is_caught_up
        }

    def _process_of(self, cluster: Cluster, member_id: MemberId) -> Process | None:
        processes = self.processes.values()
        return next((p for p in processes if p.cluster is cluster and p.member_id == member_id), None)

    def _at(self, endpoint: str) -> Process:
        """Return the process at an endpoint; the running one, where an address had several."""
        here = [p for p in self.processes.values() if endpoint_of(p.peer_url) == endpoint]
        if not here:
            raise ValueError(f"no etcd was ever started at {endpoint}")
        return max(here, key=lambda p: p.is_running)


def id_of(*parts: str) -> int:
    return int.from_bytes(hashlib.sha256("\n".join(parts).encode()).digest()[:8], "big")
