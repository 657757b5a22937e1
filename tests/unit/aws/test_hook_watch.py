"""Whether missing hooks are missed."""

from __future__ import annotations

from typing import Any

import pytest

from etcd_aws_cluster.aws.hook_watch import HookWatch
from etcd_aws_cluster.core.errors import AwsError
from etcd_aws_cluster.core.model import Transition
from tests.builders import a_view
from tests.unit.aws.stubs import SESSION, scripted

NAMES = {Transition.LAUNCHING: "etcd-launch", Transition.TERMINATING: "etcd-terminate"}
BOTH = [
    {
        "LifecycleHookName": name,
        "LifecycleTransition": f"autoscaling:EC2_INSTANCE_{transition}",
        "DefaultResult": "ABANDON",
    }
    for name, transition in (("etcd-launch", "LAUNCHING"), ("etcd-terminate", "TERMINATING"))
]


def watched(hooks: list[dict[str, Any]]) -> None:
    client = SESSION.client("autoscaling")
    with scripted(client) as stub:
        stub.add_response("describe_lifecycle_hooks", {"LifecycleHooks": hooks}, {"AutoScalingGroupName": "etcd"})
        HookWatch(autoscaling=client, group="etcd", hook_names=NAMES).run(a_view())


def test_hooks_as_they_were_made_are_well_and_others_do_not_matter() -> None:
    watched([*BOTH, {**BOTH[0], "LifecycleHookName": "warm-up"}])


@pytest.mark.parametrize(
    ("hooks", "named"),
    [
        (BOTH[:1], "etcd-terminate$"),
        ([], "etcd-launch and etcd-terminate$"),
        ([BOTH[0], {**BOTH[1], "DefaultResult": "CONTINUE"}], "etcd-terminate$"),
        ([{**BOTH[0], "LifecycleTransition": BOTH[1]["LifecycleTransition"]}, BOTH[1]], "etcd-launch$"),
    ],
)
def test_one_that_is_not_as_it_was_made_is_missed_by_name(hooks: list[dict[str, Any]], named: str) -> None:
    with pytest.raises(AwsError, match=named):
        watched(hooks)


def test_a_call_that_fails_says_nothing_of_the_hooks() -> None:
    client = SESSION.client("autoscaling")
    with scripted(client) as stub:
        stub.add_client_error("describe_lifecycle_hooks", "Throttling", "slow down")
        with pytest.raises(AwsError, match="DescribeLifecycleHooks for etcd failed: Throttling"):
            HookWatch(autoscaling=client, group="etcd", hook_names=NAMES).run(a_view())
