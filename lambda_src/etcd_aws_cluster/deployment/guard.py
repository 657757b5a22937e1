"""Finds out what runs, and whether the change that is to be deployed is one that it bears."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Protocol
from urllib.parse import urlsplit

from ..core.errors import AwsError, EtcdError, GroupGoneError
from ..core.model import LAUNCHING, POOL, Group, InstanceId
from ..core.ports import Clock, InstanceGroup, RecordStore
from ..core.record import Record, RecordedMember, RecordState
from .deployed import Deployed, Version, parse_version
from .rules import Minor, Running, lags, refusal

_TRIES = 4
_PAUSE_S = 5.0


class RefusedError(Exception):
    """The change is not made; the text is for the person who deploys."""


class SaidVersions(Protocol):
    """What an endpoint says at ``GET /version``."""

    @property
    def text(self) -> str:
        """The release of the one that answered."""

    @property
    def cluster(self) -> Minor | None:
        """The version that its cluster has agreed on."""


class Guard:
    """Compares what is asked for with the running cluster.

    Args:
        group: The Auto Scaling group and EC2.
        store: The record.
        versions: Asks a client endpoint for its versions; raises EtcdError.
        tags: What instances were deployed with, by instance.
        clock: Time, between tries.
    """

    def __init__(
        self,
        *,
        group: InstanceGroup,
        store: RecordStore,
        versions: Callable[[str], SaidVersions],
        tags: Callable[[Collection[InstanceId]], Mapping[InstanceId, str]],
        clock: Clock,
    ) -> None:
        self._group = group
        self._store = store
        self._versions = versions
        self._tags = tags
        self._clock = clock

    def check(self, asked: Deployed) -> None:
        """Return if the change may be made.

        Raises:
            RefusedError: It may not, or it is not known whether it may.
            AwsError: What runs could not be found out, several times in a row.
        """
        for _ in range(_TRIES - 1):
            try:
                return self._check(asked)
            except AwsError:
                self._clock.sleep(_PAUSE_S)
        return self._check(asked)

    def _check(self, asked: Deployed) -> None:
        stored = self._store.read()
        record = stored.record if stored.record and stored.record.state is not RecordState.RETIRED else None
        try:
            group = self._group.read({m.instance for m in record.members if m.instance} if record else ())
        except GroupGoneError:
            return  # nothing runs
        if group.is_deleting:
            return
        if stored.problem:
            raise RefusedError(f"The cluster's record cannot be read, so nothing is changed: {stored.problem}.")
        running = self._agreed(asked, group, record)
        if record and record.state is RecordState.NEW and not any(m.version for m in running):
            return  # it forms, and has not: a first version that does not work can be put right
        if reason := refusal(asked, running):
            raise RefusedError(reason)

    def _agreed(self, asked: Deployed, group: Group, record: Record | None) -> list[Running]:
        """Return what runs, after a cluster just upgraded has had the time to agree on its new version."""
        for _ in range(_TRIES - 1):
            running = self._running(asked, group, record)
            if not lags(running):
                return running
            self._clock.sleep(_PAUSE_S)
        return self._running(asked, group, record)  # still so: etcd's own downgrade is enabled

    def _running(self, asked: Deployed, group: Group, record: Record | None) -> list[Running]:
        """Return every instance that holds a member, or may, and every recorded member that is on none of them."""
        recorded = {m.instance or m.name: m for m in record.members} if record else {}
        addresses = {
            i.instance_id: i.private_ip
            for i in group.instances
            if i.lifecycle not in LAUNCHING | POOL and not i.ec2_state.has_ended
        }
        tags = self._tags(addresses.keys())
        deployed = {i: Deployed.from_text(text) for i, text in tags.items()}
        deployed |= {i: _as_recorded(recorded[i], asked) for i in addresses if i in recorded and i not in deployed}
        found = [self._ask(i, address, deployed.get(i)) for i, address in addresses.items()]
        for name, member in recorded.items():
            # What is launching holds nothing that others do not hold, what has ended holds nothing any more.
            is_listed = group.find(member.instance) is not None
            has_ended = member.instance is not None and group.ec2_state(member.instance).has_ended
            if not (is_listed or has_ended or member.is_learner) and member.peer_urls:
                host = urlsplit(member.peer_urls[0]).hostname
                found.append(self._ask(name, host, _as_recorded(member, asked)))
        return found

    def _ask(self, name: str, address: str | None, deployed: Deployed | None) -> Running:
        if not address or not deployed:
            return Running(name=name, deployed=deployed, problem="it is not known where it listens")
        try:
            said = self._versions(deployed.policy.client_url(address))
            version: Version = parse_version(said.text)
        except (EtcdError, ValueError) as error:
            return Running(name=name, deployed=deployed, problem=str(error))
        return Running(name=name, version=version, cluster=said.cluster, deployed=deployed)


def _as_recorded(member: RecordedMember, asked: Deployed) -> Deployed:
    """What a member without the tag was deployed with, as far as its URLs tell; its version is nobody's."""
    peer = urlsplit(member.peer_urls[0]) if member.peer_urls else None
    client = urlsplit(member.client_urls[0]) if member.client_urls else None
    return replace(
        asked,
        version=(0, 0, 0),
        peer_scheme=peer.scheme if peer else asked.peer_scheme,
        peer_port=(peer.port if peer else None) or asked.peer_port,
        client_scheme=client.scheme if client else asked.client_scheme,
        client_port=(client.port if client else None) or asked.client_port,
        transition=False,
    )
