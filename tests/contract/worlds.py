"""The worlds that the contract suite runs in: the fake, and real etcd of each version."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from etcd_aws_cluster.core.errors import RejectedError, Rejection
from etcd_aws_cluster.core.model import Member, Reading
from etcd_aws_cluster.core.ports import MembershipApi
from etcd_aws_cluster.etcd.client import EtcdClient
from etcd_aws_cluster.etcd.v2 import MembersV2
from etcd_aws_cluster.etcd.wire import Versions
from tests.fakes.etcd_hosts import endpoint_of
from tests.fakes.fake_membership import FakeEtcd
from tests.real_etcd import NotAtHandError, RealEtcd, eventually, find_binary

_numbers = itertools.count(1)


class Hosts(Protocol):
    """What can be done to etcd's processes, fake or real."""

    def peer_url(self, name: str) -> str: ...
    def endpoint(self, name: str) -> str: ...
    def form(self, names: list[str], *, token: str) -> None: ...
    def join(self, name: str, others: list[tuple[str, str]]) -> None: ...
    def kill(self, name: str) -> None: ...
    def hang(self, name: str) -> None: ...
    def resume(self, name: str) -> None: ...
    def is_running(self, name: str) -> bool: ...


class FakeHosts:
    """The fake's processes, by the verbs of the real ones."""

    def __init__(self, etcd: FakeEtcd) -> None:
        self._etcd = etcd
        self._addresses: dict[str, str] = {}

    def peer_url(self, name: str) -> str:
        return f"http://{self._addresses.setdefault(name, f'10.0.0.{len(self._addresses) + 1}')}:2380"

    def endpoint(self, name: str) -> str:
        return endpoint_of(self.peer_url(name))

    def form(self, names: list[str], *, token: str) -> None:
        self._etcd.form({name: self.peer_url(name) for name in names}, token=token)

    def join(self, name: str, others: list[tuple[str, str]]) -> None:
        assert self._etcd.start(name, self.peer_url(name))
        self._etcd.catch_up(name)

    def kill(self, name: str) -> None:
        self._etcd.stop(name)

    def hang(self, name: str) -> None:
        self._etcd.hang(self.endpoint(name))

    def resume(self, name: str) -> None:
        self._etcd.heal(self.endpoint(name))

    def is_running(self, name: str) -> bool:
        return self._etcd.processes[name].is_running


@dataclass
class World:
    """An implementation of the port and the processes that it talks to."""

    api: MembershipApi
    hosts: Hosts
    formed: list[str] = field(default_factory=list)

    def a_cluster(self, size: int) -> Cluster:
        """Form a new cluster and wait until all of it answers."""
        number = next(_numbers)
        names = [f"c{number}-{i}" for i in range(1, size + 1)]
        self.hosts.form(names, token=f"cluster-{number}" if number > 1 else "etcd-1")
        self.formed += names
        cluster = Cluster(self, names)
        eventually(lambda: all(cluster.read(name).is_linearizable for name in names))
        return cluster

    def close(self) -> None:
        """End the clusters that were formed here."""
        for name in self.formed:
            if self.hosts.is_running(name):
                self.hosts.kill(name)


@dataclass
class Cluster:
    """A cluster, seen through the port; members are called by their names."""

    world: World
    names: list[str]

    def read(self, name: str) -> Reading:
        return self.world.api.read(self.world.hosts.endpoint(name))

    @property
    def endpoint(self) -> str:
        return self.world.hosts.endpoint(self.names[0])

    def members(self) -> dict[str, Member]:
        """Return the member list, by peer URL."""
        members = eventually(lambda: self.read(self.names[0]).members)
        assert members is not None
        return {m.peer_urls[0]: m for m in members}

    def member(self, name: str) -> Member:
        return self.members()[self.world.hosts.peer_url(name)]

    def leader(self) -> str:
        """Return the leader's name."""
        return eventually(
            lambda: next((n for n in self.names if (r := self.read(n)).leader_id == r.member_id is not None), "")
        )

    def followers(self) -> list[str]:
        leader = self.leader()
        return [name for name in self.names if name != leader]

    def add(self, name: str, *, as_learner: bool = True) -> None:
        """Add a member, as soon as etcd finds the cluster healthy for long enough."""
        hosts, api = self.world.hosts, self.world.api
        settled(lambda: api.add_member(self.endpoint, hosts.peer_url(name), as_learner=as_learner))

    def start(self, name: str) -> None:
        """Start a member that was added, and wait until it is named."""
        others = [(m.name or "unstarted", url) for url, m in self.members().items()]
        hosts = self.world.hosts
        hosts.join(name, [other for other in others if other[1] != hosts.peer_url(name)])
        eventually(lambda: self.member(name).is_started)

    def restore(self) -> None:
        """Leave the cluster as it was formed."""
        for url, member in self.members().items():
            if url not in {self.world.hosts.peer_url(name) for name in self.names}:
                settled(partial(self.world.api.remove_member, self.endpoint, member.member_id))
        eventually(lambda: len(self.members()) == len(self.names))


def settled(change: Callable[[], None]) -> None:
    """Make a change as soon as etcd does not call it too early."""

    def attempt() -> bool:
        try:
            change()
        except RejectedError as error:
            if error.rejection in {Rejection.UNHEALTHY_CLUSTER, Rejection.TOO_SOON}:
                return False
            raise
        return True

    eventually(attempt)


def a_newcomer() -> str:
    """Return the name of a host that was never seen before."""
    return f"new-{next(_numbers)}"


class V2Client(EtcdClient):
    """Speaks v2 to an etcd 3.x that serves it: 2.x itself is not to be had any more."""

    def _speak(self, versions: Versions) -> MembersV2:
        return MembersV2(self._transport, versions, self._login)


def _client(kind: type[EtcdClient], patience_s: float) -> EtcdClient:
    patience = timedelta(seconds=patience_s)
    return kind(connect_timeout=patience, read_timeout=patience)


class Worlds:
    """Real etcd of each version, started once: etcd takes 5 s before it accepts the first change."""

    def __init__(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self._tmp_path_factory = tmp_path_factory
        self._real: dict[str, RealEtcd] = {}
        self._shared: dict[str, Cluster] = {}
        self._clients: list[EtcdClient] = []

    def world(self, case: str, *, patience_s: float = 1.0) -> World:
        """Return hosts, and a client that waits for no byte longer than that: some of them will not answer."""
        kind, _, version = case.partition(" ")
        if kind.startswith("fake"):
            etcd = FakeEtcd(version=version)
            return World(etcd, FakeHosts(etcd))
        if version not in self._real:
            try:
                binary = find_binary(version)
            except NotAtHandError as error:
                pytest.skip(str(error))
            flags = ["--enable-v2"] if version < "3.6" else []
            self._real[version] = RealEtcd(binary, self._directory(version), flags)
        self._clients.append(_client(V2Client if kind == "v2" else EtcdClient, patience_s))
        return World(self._clients[-1], self._real[version])

    def shared(self, case: str) -> Cluster:
        """Return a cluster of three; who changes it restores it."""
        kind, _, version = case.partition(" ")
        world = self.world(case, patience_s=10.0)
        if kind.startswith("fake"):
            return world.a_cluster(3)
        if version not in self._shared:
            self._shared[version] = world.a_cluster(3)
        return Cluster(world, self._shared[version].names)

    def close(self) -> None:
        for client in self._clients:
            client.close()
        for etcd in self._real.values():
            etcd.close()

    def _directory(self, version: str) -> Path:
        return self._tmp_path_factory.mktemp(f"etcd-{version}-")
