"""A Route 53 hosted zone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..core.dns import Change, RecordKind, RecordSet
from .errors import aws_call

if TYPE_CHECKING:
    from mypy_boto3_route53.client import Route53Client
    from mypy_boto3_route53.type_defs import ChangeTypeDef, ResourceRecordSetOutputTypeDef, ResourceRecordSetTypeDef

_KINDS = frozenset(RecordKind)
_MEMBERS = {"Name", "Type", "TTL", "ResourceRecords"}


class HostedZone:
    """The port Zone on Route 53."""

    def __init__(self, *, client: Route53Client, zone_id: str) -> None:
        self._client = client
        self._zone_id = zone_id

    def records(self, domain: str) -> tuple[RecordSet, ...]:
        """Return the plain A, SRV and TXT records at or below a name, read from there on: a shared zone may be large.

        Raises:
            AwsError: A call failed.
        """
        with aws_call("ListResourceRecordSets", self._zone_id):
            return tuple(self._from(domain))

    def change(self, changes: Sequence[Change]) -> None:
        """Make all changes at once, or none.

        Raises:
            AwsError: The call failed.
        """
        with aws_call("ChangeResourceRecordSets", self._zone_id):
            self._client.change_resource_record_sets(
                HostedZoneId=self._zone_id, ChangeBatch={"Changes": [_change(each) for each in changes]}
            )

    def _from(self, domain: str) -> Iterator[RecordSet]:
        """Yield them; Route 53 lists by labels from the last to the first, so they come in one piece."""
        page = self._client.list_resource_record_sets(HostedZoneId=self._zone_id, StartRecordName=domain)
        while True:
            for found in page["ResourceRecordSets"]:
                name = found["Name"].removesuffix(".").lower()
                if name != domain and not name.endswith(f".{domain}"):
                    return
                # One with a routing policy, or an alias, has other members than these, and is none that we make.
                if found["Type"] in _KINDS and found.keys() == _MEMBERS:
                    yield _record(name, found)
            if not page["IsTruncated"]:
                return
            page = self._client.list_resource_record_sets(
                HostedZoneId=self._zone_id,
                StartRecordName=page["NextRecordName"],
                StartRecordType=page["NextRecordType"],
            )


def _record(name: str, found: ResourceRecordSetOutputTypeDef) -> RecordSet:
    return RecordSet(
        name=name,
        kind=RecordKind(found["Type"]),
        values=tuple(sorted(each["Value"] for each in found.get("ResourceRecords", []))),
        ttl_s=found.get("TTL", 0),
    )


def _change(change: Change) -> ChangeTypeDef:
    record: ResourceRecordSetTypeDef = {
        "Name": f"{change.record.name}.",
        "Type": change.record.kind.value,
        "TTL": change.record.ttl_s,
        "ResourceRecords": [{"Value": value} for value in change.record.values],
    }
    return {"Action": change.kind.value, "ResourceRecordSet": record}
