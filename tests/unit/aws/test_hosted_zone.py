"""What is asked of Route 53, in its own words."""

from __future__ import annotations

from typing import Any

import pytest

from etcd_aws_cluster.aws.hosted_zone import HostedZone
from etcd_aws_cluster.core.dns import Change, ChangeKind, RecordKind, RecordSet
from etcd_aws_cluster.core.errors import AwsError
from tests.unit.aws.stubs import SESSION, scripted

ZONE = "Z0123456789ABC"
NAME = "etcd.example.internal"


def listed(name: str, kind: str, *values: str, **more: object) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "TTL": 30, "ResourceRecords": [{"Value": v} for v in values], **more}


def page(*found: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"ResourceRecordSets": list(found), "IsTruncated": False, "MaxItems": "300", **more}


def test_records_at_and_below_the_domain_are_read_from_there_on() -> None:
    client = SESSION.client("route53")
    with scripted(client) as route53:
        route53.add_response(
            "list_resource_record_sets",
            page(
                listed(f"{NAME}.", "A", "10.0.0.2", "10.0.0.1"),
                listed(f"{NAME}.", "CAA", '0 issue ";"'),
                listed(f"_etcd-client._tcp.{NAME}.", "SRV", f"0 0 2379 i-01.{NAME}."),
                listed("etcd2.example.internal.", "A", "10.9.9.9"),
                listed(f"after.{NAME}.", "A", "10.9.9.9"),
            ),
            {"HostedZoneId": ZONE, "StartRecordName": NAME},
        )
        found = HostedZone(client=client, zone_id=ZONE).records(NAME)
    assert found == (
        RecordSet(name=NAME, kind=RecordKind.A, values=("10.0.0.1", "10.0.0.2"), ttl_s=30),
        RecordSet(name=f"_etcd-client._tcp.{NAME}", kind=RecordKind.SRV, values=(f"0 0 2379 i-01.{NAME}.",), ttl_s=30),
    )


def test_a_long_list_is_read_to_its_end() -> None:
    client = SESSION.client("route53")
    with scripted(client) as route53:
        route53.add_response(
            "list_resource_record_sets",
            page(
                listed(f"{NAME}.", "A", "10.0.0.1"),
                IsTruncated=True,
                NextRecordName=f"i-01.{NAME}.",
                NextRecordType="A",
            ),
            {"HostedZoneId": ZONE, "StartRecordName": NAME},
        )
        route53.add_response(
            "list_resource_record_sets",
            page(listed(f"I-01.{NAME}.", "A", "10.0.0.1")),
            {"HostedZoneId": ZONE, "StartRecordName": f"i-01.{NAME}.", "StartRecordType": "A"},
        )
        found = HostedZone(client=client, zone_id=ZONE).records(NAME)
    assert [r.name for r in found] == [NAME, f"i-01.{NAME}"]


def test_records_with_a_routing_policy_and_aliases_are_not_plain_ones() -> None:
    client = SESSION.client("route53")
    alias = {"HostedZoneId": "Z2", "DNSName": "x.", "EvaluateTargetHealth": False}
    with scripted(client) as route53:
        route53.add_response(
            "list_resource_record_sets",
            page(
                listed(f"{NAME}.", "A", "10.0.0.1", SetIdentifier="one", Weight=1),
                {"Name": f"i-01.{NAME}.", "Type": "A", "AliasTarget": alias},
            ),
        )
        assert HostedZone(client=client, zone_id=ZONE).records(NAME) == ()


def test_changes_are_one_batch() -> None:
    client = SESSION.client("route53")
    gone = RecordSet(name=f"i-02.{NAME}", kind=RecordKind.A, values=("10.0.0.2",), ttl_s=60)
    new = RecordSet(name=NAME, kind=RecordKind.A, values=("10.0.0.1", "10.0.0.3"), ttl_s=30)
    with scripted(client) as route53:
        route53.add_response(
            "change_resource_record_sets",
            {"ChangeInfo": {"Id": "/change/C1", "Status": "PENDING", "SubmittedAt": "2026-01-01T00:00:00Z"}},
            {
                "HostedZoneId": ZONE,
                "ChangeBatch": {
                    "Changes": [
                        {
                            "Action": "DELETE",
                            "ResourceRecordSet": {
                                "Name": f"i-02.{NAME}.",
                                "Type": "A",
                                "TTL": 60,
                                "ResourceRecords": [{"Value": "10.0.0.2"}],
                            },
                        },
                        {
                            "Action": "UPSERT",
                            "ResourceRecordSet": {
                                "Name": f"{NAME}.",
                                "Type": "A",
                                "TTL": 30,
                                "ResourceRecords": [{"Value": "10.0.0.1"}, {"Value": "10.0.0.3"}],
                            },
                        },
                    ]
                },
            },
        )
        HostedZone(client=client, zone_id=ZONE).change(
            [Change(ChangeKind.DELETE, gone), Change(ChangeKind.UPSERT, new)]
        )


@pytest.mark.parametrize("code", ["PriorRequestNotComplete", "Throttling", "InvalidChangeBatch", "AccessDenied"])
def test_a_change_that_is_refused_is_told_with_zone_and_reason(code: str) -> None:
    client = SESSION.client("route53")
    record = RecordSet(name=NAME, kind=RecordKind.A, values=("10.0.0.1",), ttl_s=30)
    with scripted(client) as route53:
        route53.add_client_error("change_resource_record_sets", code, "not now")
        with pytest.raises(AwsError, match=f"^ChangeResourceRecordSets for {ZONE} failed: {code}: not now$"):
            HostedZone(client=client, zone_id=ZONE).change([Change(ChangeKind.CREATE, record)])


def test_a_list_that_fails_is_told() -> None:
    client = SESSION.client("route53")
    with scripted(client) as route53:
        route53.add_client_error("list_resource_record_sets", "NoSuchHostedZone", "gone")
        with pytest.raises(AwsError, match="ListResourceRecordSets"):
            HostedZone(client=client, zone_id=ZONE).records(NAME)
