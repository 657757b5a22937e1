"""CloudFormation's hosted zones as on AWS: private if they have a VPC, and not deleted while they hold records."""

# ruff: noqa: SLF001  # MiniStack has no other door; names.py checks these names at start

from __future__ import annotations

from typing import Any, Final

from ministack.services import route53
from ministack.services.cloudformation import provisioners

ZONE: Final = "AWS::Route53::HostedZone"
_OF_THE_ZONE_ITSELF: Final = frozenset({"SOA", "NS"})


def install() -> None:
    """Put both into MiniStack's CloudFormation."""
    handlers = provisioners._RESOURCE_HANDLERS[ZONE]
    make, remove = handlers["create"], handlers["delete"]

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        zone_id, attributes = make(logical_id, props, stack_name)
        vpcs = [dict(each) for each in props.get("VPCs", [])]
        route53._zones[zone_id].update(private=bool(vpcs), vpcs=vpcs)
        return zone_id, attributes

    def delete(physical_id: str, props: dict[str, Any]) -> None:
        records = route53._records.get(physical_id, [])
        left = [each["Name"] for each in records if each["Type"] not in _OF_THE_ZONE_ITSELF]
        if left:
            raise ValueError(f"HostedZoneNotEmpty: {physical_id} still has {', '.join(left)}")
        remove(physical_id, props)

    handlers["create"], handlers["delete"] = create, delete
