"""CloudFormation's resource types of the network that MiniStack lacks."""

# ruff: noqa: SLF001  # MiniStack has no other door; names.py checks these names at start

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ministack.services import ec2
from ministack.services.cloudformation import provisioners

Created = tuple[str, dict[str, Any]]
Handlers = dict[str, Callable[..., Any]]


def install() -> None:
    """Put the resource types into MiniStack's CloudFormation."""
    handlers = provisioners._RESOURCE_HANDLERS
    handlers.setdefault("AWS::EC2::SecurityGroupIngress", _rules("IpPermissions"))
    handlers.setdefault("AWS::EC2::SecurityGroupEgress", _rules("IpPermissionsEgress"))
    handlers.setdefault("AWS::EC2::EIP", _address())
    handlers.setdefault("AWS::EC2::NatGateway", _nat_gateway())
    vpc = handlers["AWS::EC2::VPC"]
    vpc["create"], vpc["update"] = _with_vpc_attributes(vpc["create"]), _with_vpc_attributes(vpc["update"])


def _rules(store: str) -> Handlers:
    """A security group rule as a resource of its own, kept in the group's list."""

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> Created:
        ec2._ensure_defaults_initialized()
        group = ec2._security_groups[props["GroupId"]]
        group.setdefault(store, []).extend(provisioners._ec2_sg_permissions([props]))
        return f"sgr-{stack_name}-{logical_id}", {}

    def delete(physical_id: str, props: dict[str, Any]) -> None:  # noqa: ARG001  # CloudFormation's signature
        group = ec2._security_groups.get(props.get("GroupId"))
        for permission in provisioners._ec2_sg_permissions([props]) if group else []:
            if permission in group.get(store, []):
                group[store].remove(permission)

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Created:
        delete(physical_id, old)
        return physical_id, create(physical_id, new, stack_name)[1]

    return {"create": create, "delete": delete, "update": update}


def _address() -> Handlers:
    """AWS::EC2::EIP."""

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> Created:  # noqa: ARG001
        text = _ec2("AllocateAddress", Domain="vpc")
        address = _first(text, "publicIp")
        return address, {"AllocationId": _first(text, "allocationId"), "PublicIp": address}

    def delete(physical_id: str, props: dict[str, Any]) -> None:  # noqa: ARG001
        _ec2("ReleaseAddress", PublicIp=physical_id)

    return {"create": create, "delete": delete}


def _nat_gateway() -> Handlers:
    """AWS::EC2::NatGateway."""

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> Created:  # noqa: ARG001
        given = {key: str(props[key]) for key in ("SubnetId", "AllocationId") if key in props}
        gateway = _first(_ec2("CreateNatGateway", **given), "natGatewayId")
        return gateway, {"NatGatewayId": gateway}

    def delete(physical_id: str, props: dict[str, Any]) -> None:  # noqa: ARG001
        _ec2("DeleteNatGateway", NatGatewayId=physical_id)

    return {"create": create, "delete": delete}


def _ec2(action: str, **parameters: str) -> str:
    status, _, body = ec2._ACTION_MAP[action]({"Action": action, **parameters})
    text = str(body.decode())
    if status >= 400:  # noqa: PLR2004  # HTTP
        raise ValueError(f"{action}: {text}")
    return text


def _first(text: str, tag: str) -> str:
    found = re.search(f"<{tag}>([^<]+)</{tag}>", text)
    return found[1] if found else ""


def _with_vpc_attributes(handler: Callable[..., Created]) -> Callable[..., Created]:
    def wrapped(*args: Any, **named: Any) -> Created:  # noqa: ANN401  # MiniStack's own
        physical_id, attributes = handler(*args, **named)
        cidr = (ec2._vpcs.get(physical_id) or {}).get("CidrBlock")
        return physical_id, {"CidrBlock": cidr, "CidrBlockAssociations": [], "Ipv6CidrBlocks": [], **attributes}

    return wrapped
