"""Which DNS records clients are to find, and what has to change in the zone for that. Pure, like all of the core.

Everything is at or below one name, the cluster's domain: ``<cluster>.<zone>``. etcd's clients look for the SRV records
below it: https://etcd.io/docs/v3.5/op-guide/clustering/#dns-discovery
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from .errors import NameTakenError
from .model import Group, InstanceId
from .record import RecordState
from .view import View, read_membership

SERVICES = {"http": "_etcd-client._tcp", "https": "_etcd-client-ssl._tcp"}
"""By scheme, etcd's name for its client service."""

_INSTANCE_LABEL = re.compile(r"i-[0-9a-f]+")


class RecordKind(StrEnum):
    """Types of records."""

    A = "A"
    SRV = "SRV"
    TXT = "TXT"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class RecordSet:
    """The records of one name and type.

    Attributes:
        name: In full, lower case, without the last dot.
        values: As Route 53 writes them, sorted.
    """

    name: str
    kind: RecordKind
    values: tuple[str, ...]
    ttl_s: int


class ChangeKind(StrEnum):
    """Route 53's words. CREATE fails where the record exists: the owner's mark is made so, once."""

    CREATE = "CREATE"
    UPSERT = "UPSERT"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a change batch; a DELETE names the record as it is."""

    kind: ChangeKind
    record: RecordSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """Where a cluster's names are.

    Attributes:
        name: ``<cluster>.<zone>``, lower case, without the last dot.
        schemes: ``http``, ``https`` or both: how clients may come.
        client_port: Of every member.
    """

    name: str
    ttl_s: int
    schemes: tuple[str, ...]
    client_port: int

    def of(self, instance_id: InstanceId) -> str:
        """Return the name of the member on an instance."""
        return f"{instance_id}.{self.name}"

    def is_ours(self, record: RecordSet) -> bool:
        """Whether a record is of those that a controller makes, going by name and type alone."""
        if record.kind == RecordKind.SRV:
            return record.name in {f"{service}.{self.name}" for service in SERVICES.values()}
        if record.name == self.name:
            return record.kind in {RecordKind.A, RecordKind.TXT}
        label, _, rest = record.name.partition(".")
        return record.kind == RecordKind.A and rest == self.name and _INSTANCE_LABEL.fullmatch(label) is not None


def desired_records(view: View, domain: Domain) -> tuple[RecordSet, ...] | None:
    """Return the records of the voters that are in the group.

    Returns:
        None where it is not known who votes, or none of the voters is in the group: then what is there stays. Nothing
        at all once the group is to have no instance, since a zone that holds records cannot be deleted.
    """
    if view.group.is_deleting or view.group.desired == 0:
        return ()
    addresses = {domain.of(instance_id): address for instance_id, address in _voters(view).items()}
    if not addresses:
        return None
    targets = tuple(sorted(f"0 0 {domain.client_port} {name}." for name in addresses))
    by_name = {
        (domain.name, RecordKind.TXT): (owner_mark(view.group),),
        (domain.name, RecordKind.A): tuple(sorted(addresses.values())),
        **{(name, RecordKind.A): (address,) for name, address in addresses.items()},
        **{(f"{SERVICES[scheme]}.{domain.name}", RecordKind.SRV): targets for scheme in domain.schemes},
    }
    return tuple(
        sorted(
            RecordSet(name=name, kind=kind, values=values, ttl_s=domain.ttl_s)
            for (name, kind), values in by_name.items()
        )
    )


def change_batch(
    found: Iterable[RecordSet], wanted: Iterable[RecordSet], domain: Domain, group: Group
) -> tuple[Change, ...]:
    """Return what makes ``wanted`` of what is in the zone; nothing if that is so already.

    Only records that a controller makes are touched, and only where the owner's mark is this cluster's.

    Args:
        found: The zone's records at or below the domain; what is not a controller's is left alone.
        wanted: All that shall be there of ours.
        domain: Where they are.
        group: Whose they are.

    Raises:
        NameTakenError: The mark is another's, or there are such records without one.
    """
    ours = {(r.name, r.kind): r for r in found if domain.is_ours(r)}
    goal = {(r.name, r.kind): r for r in wanted}
    mark = ours.get((domain.name, RecordKind.TXT))
    if ours and (mark is None or mark.values != (owner_mark(group),)):
        whose = " ".join(mark.values) if mark else f"nobody's we know: {', '.join(sorted({name for name, _ in ours}))}"
        raise NameTakenError(f"the names of {domain.name} are {whose}; expected the mark {owner_mark(group)}")
    stale = (Change(ChangeKind.DELETE, record) for key, record in ours.items() if key not in goal)
    fresh = (
        Change(ChangeKind.CREATE if record.kind == RecordKind.TXT and mark is None else ChangeKind.UPSERT, record)
        for key, record in goal.items()
        if ours.get(key) != record
    )
    return (*stale, *fresh)


def owner_mark(group: Group) -> str:
    """Return the TXT record that says whose the names are: the group's ARN without its id, which a new deploy changes.

    ``arn:aws:autoscaling:eu-west-1:111122223333:autoScalingGroup:<id>:autoScalingGroupName/etcd``
    """
    prefix = ":".join(group.arn.split(":")[:5])
    return f'"etcd-aws-cluster {prefix}:{group.name}"'


def _voters(view: View) -> dict[InstanceId, str]:
    """Return the addresses of instances whose member votes: of those that stay, or of all where none does."""
    record = view.stored.record
    if record is None or record.state is not RecordState.EXISTING or record.cluster_id is None:
        return {}
    membership = read_membership(view, record.cluster_id)
    if membership is None:
        return {}
    owners = {membership.owners[m.member_id] for m in membership.voters}
    hosts = [i for i in view.group.instances if i.instance_id in owners and not i.ec2_state.is_ending]
    staying = {i.instance_id: i.private_ip for i in hosts if i.private_ip and not view.is_leaving(i)}
    return staying or {i.instance_id: i.private_ip for i in hosts if i.private_ip}
