"""The two worlds that the AWS ports are held to: fakes in memory, and the adapters on a launched local AWS."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection
from typing import Protocol

from etcd_aws_cluster.aws.autoscaling import AutoScalingInstanceGroup
from etcd_aws_cluster.aws.parameter_store import SsmRecordStore
from etcd_aws_cluster.core.model import Group, InstanceId, Transition
from etcd_aws_cluster.core.ports import InstanceGroup, RecordStore
from lab import Lab
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_group import FakeGroup
from tests.fakes.fake_store import FakeStore

HOOKS = {Transition.LAUNCHING: "etcd-launch", Transition.TERMINATING: "etcd-terminate"}
_DEADLINE_S = 120.0
_POLL_S = 0.05


class GroupWorld(Protocol):
    """A group with nothing in it, and whatever moves it."""

    group: InstanceGroup

    def scale(self, desired: int) -> None:
        """Set the desired capacity."""

    def lose(self, instance_id: InstanceId) -> None:
        """Have a host die by itself."""

    def until(self, holds: Callable[[Group], bool], also: Collection[InstanceId] = ()) -> Group:
        """Let AWS go on until it holds; returns what was then read."""


class FakeGroupWorld:
    """On the fake."""

    def __init__(self) -> None:
        self._fake = FakeGroup(FakeClock())
        self.group: InstanceGroup = self._fake
        self.lose = self._fake.lose

    def scale(self, desired: int) -> None:
        """Set the desired capacity."""
        self._fake.desired = desired

    def until(self, holds: Callable[[Group], bool], also: Collection[InstanceId] = ()) -> Group:
        """Let AWS go on until it holds; returns what was then read."""
        for _ in range(5):
            group = self.group.read(also)
            if holds(group):
                return group
            self._fake.advance()
        raise AssertionError(f"it never came to that: {group}")


class LocalGroupWorld:
    """A group of its own in the local AWS."""

    def __init__(self, lab: Lab, subnet_id: str, template_id: str) -> None:
        self._autoscaling = lab.client("autoscaling")
        self._name = f"etcd-{uuid.uuid4().hex[:8]}"
        self._autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=self._name,
            MinSize=0,
            MaxSize=9,
            DesiredCapacity=0,
            VPCZoneIdentifier=subnet_id,
            LaunchTemplate={"LaunchTemplateId": template_id, "Version": "1"},
            LifecycleHookSpecificationList=[
                {
                    "LifecycleHookName": name,
                    "LifecycleTransition": transition.value,
                    "HeartbeatTimeout": 600,
                    "DefaultResult": "ABANDON",
                }
                for transition, name in HOOKS.items()
            ],
            InstanceLifecyclePolicy={"RetentionTriggers": {"TerminateHookAbandon": "retain"}},
        )
        self.group: InstanceGroup = AutoScalingInstanceGroup(
            autoscaling=self._autoscaling, ec2=lab.client("ec2"), name=self._name, hook_names=HOOKS
        )
        self.lose = lab.kill

    def scale(self, desired: int) -> None:
        """Set the desired capacity."""
        self._autoscaling.set_desired_capacity(AutoScalingGroupName=self._name, DesiredCapacity=desired)

    def until(self, holds: Callable[[Group], bool], also: Collection[InstanceId] = ()) -> Group:
        """Let AWS go on until it holds; returns what was then read."""
        deadline = time.monotonic() + _DEADLINE_S
        while not holds(group := self.group.read(also)):
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not come to that within {_DEADLINE_S:g} s: {group}")
            time.sleep(_POLL_S)
        return group


class LocalAws:
    """A launched local AWS, with a network and a launch template for groups."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        ec2 = lab.client("ec2")
        vpc_id = ec2.create_vpc(CidrBlock=lab.state.cidr)["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock=lab.state.cidr, AvailabilityZone="us-east-1a")
        self._subnet_id = str(subnet["Subnet"]["SubnetId"])
        template = ec2.create_launch_template(
            LaunchTemplateName="etcd",
            LaunchTemplateData={"ImageId": "ami-0c2023a1b2c3d4e5f", "InstanceType": "t3.nano"},
        )
        self._template_id = str(template["LaunchTemplate"]["LaunchTemplateId"])

    def group_world(self) -> GroupWorld:
        """Make a group with nothing in it."""
        return LocalGroupWorld(self._lab, self._subnet_id, self._template_id)

    def stores(self) -> Callable[[], RecordStore]:
        """Return what makes any number of stores on the same, empty parameters."""
        prefix = f"/etcd-aws-cluster/{uuid.uuid4().hex[:8]}"
        return lambda: SsmRecordStore(ssm=self._lab.client("ssm"), prefix=prefix)


def fake_stores() -> Callable[[], RecordStore]:
    """Return what makes any number of stores on the same, empty parameters."""
    store = FakeStore()
    return lambda: store
