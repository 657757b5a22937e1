"""The roles of a deployed stack: what they are granted, what they did, and a client with the credentials of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab import Lab
from tests.permissions import Grant, grants_of

_ROLE = "AWS::IAM::Role"


class DeployedRoles:
    """The roles that the stack has now, by logical id."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._iam = lab.client("iam")
        pages = lab.client("cloudformation").get_paginator("list_stack_resources")
        resources = [
            each
            for page in pages.paginate(StackName=f"etcd-aws-cluster-{lab.state.cluster}")
            for each in page["StackResourceSummaries"]
        ]
        self._names: dict[str, str] = {
            each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources if each["ResourceType"] == _ROLE
        }

    def grants(self, *parts: str) -> list[Grant]:
        """Return what the roles of these parts of the stack are granted, as deployed; of all if none is named."""
        return [
            grant
            for role, name in self._names.items()
            if role.startswith(parts or "")
            for grant in self._grants_of(role, name)
        ]

    def calls(self) -> list[dict[str, Any]]:
        """Return what the roles did, and were refused, since the lab was started."""
        by_name = {name: role for role, name in self._names.items()}
        return [
            {**call, "role": by_name[call["role"]]}
            for call in self._lab.control.permissions()
            if call["role"] in by_name
        ]

    def of(self, part: str) -> str:
        """Return the ARN of the one role of a part of the stack: ``Controller``, ``Deployment``, ``Members``."""
        (name,) = (name for role, name in self._names.items() if role.startswith(part))
        return str(self._iam.get_role(RoleName=name)["Role"]["Arn"])

    def _grants_of(self, role: str, name: str) -> Iterator[Grant]:
        assert not self._iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        for policy in self._iam.list_role_policies(RoleName=name)["PolicyNames"]:
            found = self._iam.get_role_policy(RoleName=name, PolicyName=policy)
            yield from grants_of(role, found["PolicyDocument"])
