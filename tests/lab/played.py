"""Auto Scaling with a clock that is set by hand, and with an EC2 and an event bus that remember."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from lab.local_aws.autoscaling.machine import AutoScaling
from lab.local_aws.autoscaling.model import Group
from lab.local_aws.autoscaling.operations import OPERATIONS
from lab.local_aws.autoscaling.ports import ApiError, Launched, Pace, Subnet

START = 1_700_000_000.0
GROUP = "etcd"
LAUNCH_HOOK = {
    "LifecycleHookName": "etcd-launch",
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
    "HeartbeatTimeout": 60,
    "DefaultResult": "ABANDON",
}
TERMINATE_HOOK = LAUNCH_HOOK | {
    "LifecycleHookName": "etcd-terminate",
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
}
RETAIN = {"RetentionTriggers": {"TerminateHookAbandon": "retain"}}


@dataclass
class RememberingFleet:
    """EC2 with three zones, and launch templates ``lt-1`` of versions 1 and 2."""

    states: dict[str, str] = field(default_factory=dict)
    impaired_ids: set[str] = field(default_factory=set)
    latest: int = 1

    def subnets(self, subnet_ids: list[str]) -> list[Subnet]:
        return [Subnet(each, f"us-east-1{each[-1]}") for each in subnet_ids]

    def template(self, specification: dict[str, Any]) -> dict[str, str]:
        if specification.get("LaunchTemplateId") != "lt-1":
            raise ApiError("ValidationError", "The specified launch template does not exist.")
        version = str(specification.get("Version", "$Default"))
        number = {"$Latest": str(self.latest), "$Default": "1"}.get(version, version)
        return {"LaunchTemplateId": "lt-1", "LaunchTemplateName": "etcd", "Version": number}

    def launch(self, group: Group, subnet: Subnet, launch_template: dict[str, str]) -> Launched:
        instance_id = f"i-{len(self.states) + 1:02d}"
        self.states[instance_id] = "pending"
        return Launched(instance_id, "ami-1", "t4g.micro", launch_template)

    def state(self, instance_id: str) -> str:
        return self.states.get(instance_id, "terminated")

    def set_state(self, instance_id: str, state: str) -> None:
        if self.states[instance_id] != "terminated":
            self.states[instance_id] = state

    def impaired(self, instance_id: str) -> bool:
        return instance_id in self.impaired_ids


@dataclass
class RememberingOutbox:
    """Keeps what goes out."""

    events: list[dict[str, Any]] = field(default_factory=list)
    notifications: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    transitions: list[dict[str, Any]] = field(default_factory=list)

    def event(self, event: dict[str, Any]) -> None:
        self.events.append(event)

    def notify(self, target_arn: str, message: dict[str, Any]) -> None:
        self.notifications.append((target_arn, message))

    def transition(self, record: dict[str, Any]) -> None:
        self.transitions.append(record)


class Played:
    """A played Auto Scaling in which time passes only by :meth:`pass_time`."""

    def __init__(self) -> None:
        self.now = START
        self.fleet = RememberingFleet()
        self.outbox = RememberingOutbox()
        ids = (f"id-{number}" for number in itertools.count(1))
        self.scaling = AutoScaling(
            fleet=self.fleet,
            outbox=self.outbox,
            pace=Pace(launch_s=1, terminate_s=1, health_check_s=1),
            clock=lambda: self.now,
            new_id=lambda: next(ids),
            arn_prefix="arn:aws:autoscaling:us-east-1:000000000000",
        )

    def call(self, operation: str, name: str | None = GROUP, **request: object) -> dict[str, Any]:
        """Do an operation of the API, by default on the group of these tests."""
        named = {"AutoScalingGroupName": name} if name else {}
        return OPERATIONS[operation](self.scaling, named | request)

    def create(self, *, size: int = 3, hooks: Collection[dict[str, Any]] = (), **more: object) -> None:
        """Make the group of these tests."""
        request: dict[str, object] = {
            "MinSize": 0,
            "MaxSize": 10,
            "DesiredCapacity": size,
            "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "$Latest"},
            "VPCZoneIdentifier": "subnet-a,subnet-b,subnet-c",
            "LifecycleHookSpecificationList": list(hooks),
        }
        self.call("CreateAutoScalingGroup", GROUP, **(request | more))
        self.pass_time(0)

    def pass_time(self, seconds: float) -> None:
        """Let time pass in steps of a second, and once more for what follows at once."""
        for _ in range(int(seconds)):
            self.scaling.tick()
            self.now += 1
        for _ in range(4):
            self.scaling.tick()

    def states(self) -> dict[str, str]:
        """The group's instances with their lifecycle states, as DescribeAutoScalingGroups shows them."""
        return {each["InstanceId"]: each["LifecycleState"] for each in self.shown()["Instances"]}

    def shown(self) -> dict[str, Any]:
        """The group, as DescribeAutoScalingGroups shows it."""
        answer: dict[str, Any] = self.call("DescribeAutoScalingGroups", None, AutoScalingGroupNames=[GROUP])
        group: dict[str, Any] = answer["AutoScalingGroups"][0]
        return group

    def complete(self, instance_id: str, result: str = "CONTINUE", hook: str = "etcd-launch") -> None:
        """Complete an instance's lifecycle action, by instance id, and let follow what follows."""
        self.call(
            "CompleteLifecycleAction",
            LifecycleHookName=hook,
            InstanceId=instance_id,
            LifecycleActionResult=result,
        )
        self.pass_time(0)

    def settled(self, *, size: int = 3, hooks: Collection[dict[str, Any]] = (), **more: object) -> list[str]:
        """Make a group whose instances are all in service, their launches continued; returns their ids."""
        self.create(size=size, hooks=hooks, **more)
        self.pass_time(2)
        for instance_id, state in self.states().items():
            if state == "Pending:Wait":
                self.complete(instance_id)
        self.pass_time(1)
        return list(self.states())

    def path(self, instance_id: str) -> list[str]:
        """The lifecycle states that the instance went through."""
        return [each["to"] for each in self.outbox.transitions if each["instance"] == instance_id]
