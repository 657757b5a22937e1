"""Two clusters of one app in one account: each has its own controller, and sees nothing of the other."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab import Lab
from tests.end_to_end.conftest import SETTINGS, SETTLE_S

pytestmark = [pytest.mark.end_to_end, pytest.mark.real_etcd, pytest.mark.timeout(600)]

NAMES = ("orders", "users")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("two")) as made:
        networks = ipaddress.ip_network(made.state.cidr).subnets(prefixlen_diff=1)
        entries = [
            {"cluster_name": name, "size": 1, "vpc_cidr": str(network)}
            for name, network in zip(NAMES, networks, strict=True)
        ]
        made.deploy({**SETTINGS, "etcd:clusters": json.dumps(entries)})
        for name in NAMES:
            made.wait_in_service(1, SETTLE_S, name)
        yield made


def record(lab: Lab, name: str) -> dict[str, Any]:
    (found,) = lab.client("ssm").get_parameters(Names=[f"/etcd-aws-cluster/{name}/record"])["Parameters"]
    told: dict[str, Any] = json.loads(found["Value"])
    return told


def test_each_has_a_stack_a_queue_and_a_function_of_its_own(lab: Lab) -> None:
    stacks = {each["StackName"] for each in lab.client("cloudformation").describe_stacks()["Stacks"]}
    assert {f"etcd-aws-cluster-{name}" for name in NAMES} <= stacks
    assert len(lab.sqs.list_queues()["QueueUrls"]) == 2 * len(NAMES)
    # The controller's, and the one that CloudFormation asks.
    assert len(lab.client("lambda").list_functions()["Functions"]) == 2 * len(NAMES)


def test_each_forms_its_own_cluster_and_grows_alone(lab: Lab) -> None:
    before = record(lab, "users")
    lab.autoscaling.set_desired_capacity(AutoScalingGroupName="orders", DesiredCapacity=3)
    lab.wait_in_service(3, SETTLE_S, "orders")
    orders, users = (record(lab, name) for name in NAMES)
    assert {member["instance"] for member in orders["members"]} == set(lab.instances("orders"))
    assert users["members"] == before["members"]
    assert {member["instance"] for member in users["members"]} == set(lab.instances("users"))
    assert orders["cluster_id"] != users["cluster_id"]
