"""The life of an instance: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html ."""

import pytest

from lab.local_aws.autoscaling.ports import ApiError
from tests.lab.played import LAUNCH_HOOK, RETAIN, TERMINATE_HOOK, Played

HOOKS = (LAUNCH_HOOK, TERMINATE_HOOK)


def test_without_hooks_an_instance_goes_from_pending_straight_into_service(played: Played) -> None:
    played.create(size=1)
    played.pass_time(2)
    assert played.path("i-01") == ["Pending", "InService"]


def test_a_launch_hook_holds_the_instance_until_the_action_is_continued(played: Played) -> None:
    played.create(size=1, hooks=HOOKS)
    played.pass_time(30)
    assert played.states() == {"i-01": "Pending:Wait"}
    played.complete("i-01")
    assert played.path("i-01") == ["Pending", "Pending:Wait", "Pending:Proceed", "InService"]


def test_ec2_says_running_before_the_launch_hook_waits(played: Played) -> None:
    played.create(size=1, hooks=HOOKS)
    assert played.fleet.states == {"i-01": "pending"}
    played.pass_time(2)
    assert (played.states(), played.fleet.states) == ({"i-01": "Pending:Wait"}, {"i-01": "running"})


def test_an_abandoned_launch_is_terminated_through_the_termination_hook_and_replaced(played: Played) -> None:
    played.create(size=1, hooks=HOOKS)
    played.pass_time(2)
    played.complete("i-01", "ABANDON")
    played.pass_time(2)
    assert played.states() == {"i-01": "Terminating:Wait", "i-02": "Pending:Wait"}
    played.complete("i-01", hook="etcd-terminate")
    played.pass_time(2)
    assert played.path("i-01")[-3:] == ["Terminating:Wait", "Terminating:Proceed", "Terminated"]


def test_a_launch_action_that_times_out_takes_the_hooks_default_result(played: Played) -> None:
    played.create(size=1, hooks=[LAUNCH_HOOK | {"DefaultResult": "CONTINUE"}])
    played.pass_time(60)
    assert played.states() == {"i-01": "Pending:Wait"}
    played.pass_time(2)
    assert played.states() == {"i-01": "InService"}


def test_a_heartbeat_begins_the_timeout_anew(played: Played) -> None:
    played.create(size=1, hooks=[LAUNCH_HOOK])
    played.pass_time(50)
    played.call("RecordLifecycleActionHeartbeat", LifecycleHookName="etcd-launch", InstanceId="i-01")
    played.pass_time(55)
    assert played.states()["i-01"] == "Pending:Wait"
    played.pass_time(10)
    assert played.path("i-01")[-2:] == ["Terminating:Proceed", "Terminated"]


def test_heartbeats_do_not_hold_an_instance_beyond_a_hundred_timeouts(played: Played) -> None:
    played.create(size=1, hooks=[LAUNCH_HOOK | {"HeartbeatTimeout": 30}])
    played.pass_time(2)
    for _ in range(149):
        played.pass_time(20)
        played.call("RecordLifecycleActionHeartbeat", LifecycleHookName="etcd-launch", InstanceId="i-01")
    assert played.states()["i-01"] == "Pending:Wait"
    played.pass_time(25)
    assert "i-01" not in played.states()


def test_the_global_timeout_is_never_above_48_hours(played: Played) -> None:
    played.create(size=0, hooks=[LAUNCH_HOOK | {"HeartbeatTimeout": 7200}])
    hooks = played.call("DescribeLifecycleHooks")["LifecycleHooks"]
    assert [hook["GlobalTimeout"] for hook in hooks] == [172800]


def test_several_hooks_wait_side_by_side_and_all_of_them_have_to_continue(played: Played) -> None:
    played.create(size=1, hooks=[LAUNCH_HOOK, LAUNCH_HOOK | {"LifecycleHookName": "other"}])
    played.pass_time(2)
    played.complete("i-01")
    assert played.states() == {"i-01": "Pending:Wait"}
    played.complete("i-01", hook="other")
    assert played.states() == {"i-01": "InService"}


def test_a_termination_hook_holds_the_instance_and_ec2_runs_it_meanwhile(played: Played) -> None:
    (leaver,) = played.settled(size=1, hooks=HOOKS)
    played.call("SetDesiredCapacity", DesiredCapacity=0)
    played.pass_time(30)
    assert (played.states(), played.fleet.state(leaver)) == ({leaver: "Terminating:Wait"}, "running")
    played.complete(leaver, hook="etcd-terminate")
    assert played.fleet.state(leaver) == "shutting-down"
    played.pass_time(2)
    assert (played.states(), played.fleet.state(leaver)) == ({}, "terminated")


def test_an_abandoned_termination_goes_on_when_the_group_does_not_retain(played: Played) -> None:
    (leaver,) = played.settled(size=1, hooks=HOOKS)
    played.call("SetDesiredCapacity", DesiredCapacity=0)
    played.pass_time(1)
    played.complete(leaver, "ABANDON", hook="etcd-terminate")
    assert played.states() == {leaver: "Terminating:Proceed"}


@pytest.mark.parametrize("by", ["the call", "the timeout"])
def test_an_abandoned_termination_retains_the_instance_when_the_policy_says_so(played: Played, by: str) -> None:
    (leaver,) = played.settled(size=1, hooks=HOOKS, InstanceLifecyclePolicy=RETAIN)
    played.call("SetDesiredCapacity", DesiredCapacity=0)
    played.pass_time(1)
    if by == "the call":
        played.complete(leaver, "ABANDON", hook="etcd-terminate")
    played.pass_time(70)
    assert (played.states(), played.fleet.state(leaver)) == ({leaver: "Terminating:Retained"}, "running")


def test_a_retained_instance_does_not_count_and_only_a_call_ends_it(played: Played) -> None:
    (leaver,) = played.settled(size=1, hooks=HOOKS, InstanceLifecyclePolicy=RETAIN)
    played.call("SetInstanceHealth", None, InstanceId=leaver, HealthStatus="Unhealthy")
    played.pass_time(3)
    played.complete(leaver, "ABANDON", hook="etcd-terminate")
    played.pass_time(20)
    assert played.states()[leaver] == "Terminating:Retained"
    assert played.shown()["DesiredCapacity"] == 1
    assert len(played.states()) == 2
    played.call("TerminateInstanceInAutoScalingGroup", None, InstanceId=leaver, ShouldDecrementDesiredCapacity=False)
    played.pass_time(3)
    assert leaver not in played.states()


def test_an_instance_that_ec2_lost_is_not_retained(played: Played) -> None:
    (leaver,) = played.settled(size=1, hooks=HOOKS, InstanceLifecyclePolicy=RETAIN)
    played.fleet.set_state(leaver, "terminated")
    played.pass_time(3)
    assert played.states()[leaver] == "Terminating:Wait"
    played.complete(leaver, "ABANDON", hook="etcd-terminate")
    played.pass_time(2)
    assert leaver not in played.states()


def test_an_action_is_completed_by_its_token_too(played: Played) -> None:
    played.create(size=1, hooks=HOOKS)
    played.pass_time(2)
    token = played.outbox.events[0]["detail"]["LifecycleActionToken"]
    played.call(
        "CompleteLifecycleAction",
        LifecycleHookName="etcd-launch",
        LifecycleActionToken=token,
        LifecycleActionResult="CONTINUE",
    )
    played.pass_time(0)
    assert played.states() == {"i-01": "InService"}


@pytest.mark.parametrize("operation", ["CompleteLifecycleAction", "RecordLifecycleActionHeartbeat"])
@pytest.mark.parametrize(
    ("named", "text"),
    [
        ({"InstanceId": "i-01"}, "No active Lifecycle Action found with instance ID i-01"),
        ({"LifecycleActionToken": "gone"}, "No active Lifecycle Action found with token gone"),
    ],
)
def test_an_action_that_is_over_is_refused_in_the_words_of_aws(
    played: Played, operation: str, named: dict[str, str], text: str
) -> None:
    played.settled(size=1, hooks=HOOKS)
    with pytest.raises(ApiError) as refused:
        played.call(operation, LifecycleHookName="etcd-launch", LifecycleActionResult="CONTINUE", **named)
    assert (refused.value.code, refused.value.message) == ("ValidationError", text)


def test_an_old_token_does_not_complete_a_later_action(played: Played) -> None:
    played.settled(size=1, hooks=HOOKS)
    token = played.outbox.events[0]["detail"]["LifecycleActionToken"]
    played.call("SetDesiredCapacity", DesiredCapacity=0)
    played.pass_time(1)
    with pytest.raises(ApiError, match="No active Lifecycle Action found with token"):
        played.call(
            "CompleteLifecycleAction",
            LifecycleHookName="etcd-terminate",
            LifecycleActionToken=token,
            LifecycleActionResult="CONTINUE",
        )


@pytest.mark.parametrize("seconds", [29, 7201])
def test_a_heartbeat_timeout_outside_30_to_7200_seconds_is_refused(played: Played, seconds: int) -> None:
    with pytest.raises(ApiError, match=str(seconds)):
        played.create(hooks=[LAUNCH_HOOK | {"HeartbeatTimeout": seconds}])


def test_deleting_the_launch_hook_abandons_who_waits_on_it(played: Played) -> None:
    played.create(size=1, hooks=[LAUNCH_HOOK])
    played.pass_time(2)
    played.call("DeleteLifecycleHook", LifecycleHookName="etcd-launch")
    assert played.states() == {"i-01": "Terminating"}
