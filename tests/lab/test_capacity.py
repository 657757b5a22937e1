"""How many instances there are, and which of them go."""

import pytest

from lab.local_aws.autoscaling.ports import ApiError
from tests.lab.played import LAUNCH_HOOK, RETAIN, TERMINATE_HOOK, Played

HOOKS = (LAUNCH_HOOK, TERMINATE_HOOK)


def zones(played: Played) -> list[str]:
    return sorted(each["AvailabilityZone"] for each in played.shown()["Instances"])


def test_instances_are_spread_over_the_zones(played: Played) -> None:
    played.settled(size=5)
    assert zones(played) == ["us-east-1a", "us-east-1a", "us-east-1b", "us-east-1b", "us-east-1c"]


def test_scaling_in_takes_the_oldest_of_the_fullest_zone(played: Played) -> None:
    played.settled(size=4)
    played.call("SetDesiredCapacity", DesiredCapacity=3)
    played.pass_time(3)
    assert (list(played.states()), zones(played)) == (
        ["i-02", "i-03", "i-04"],
        ["us-east-1a", "us-east-1b", "us-east-1c"],
    )


def test_scaling_in_takes_the_oldest_launch_template_before_the_oldest_instance(played: Played) -> None:
    played.settled(size=3, VPCZoneIdentifier="subnet-a")
    played.call("SetInstanceProtection", InstanceIds=["i-01"], ProtectedFromScaleIn=True)
    played.fleet.latest = 2
    played.call("SetDesiredCapacity", DesiredCapacity=4)
    played.pass_time(3)
    played.call("SetDesiredCapacity", DesiredCapacity=2)
    played.pass_time(3)
    assert list(played.states()) == ["i-01", "i-04"]


def test_a_protected_instance_is_not_scaled_in(played: Played) -> None:
    played.settled(size=2, NewInstancesProtectedFromScaleIn=True)
    played.call("SetDesiredCapacity", DesiredCapacity=0)
    played.pass_time(10)
    assert list(played.states().values()) == ["InService", "InService"]


def test_an_unhealthy_instance_is_terminated_through_its_hook_while_the_replacement_launches(played: Played) -> None:
    played.settled(size=3, hooks=HOOKS)
    played.call("SetInstanceHealth", None, InstanceId="i-02", HealthStatus="Unhealthy")
    played.pass_time(3)
    assert played.states() == {
        "i-01": "InService",
        "i-02": "Terminating:Wait",
        "i-03": "InService",
        "i-04": "Pending:Wait",
    }


def test_with_a_maintenance_policy_the_replacement_of_an_unhealthy_instance_serves_first(played: Played) -> None:
    policy = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 110}
    played.settled(size=3, hooks=HOOKS, InstanceMaintenancePolicy=policy)
    played.call("SetInstanceHealth", None, InstanceId="i-02", HealthStatus="Unhealthy")
    played.pass_time(3)
    assert played.states() == {"i-01": "InService", "i-02": "InService", "i-03": "InService", "i-04": "Pending:Wait"}
    played.complete("i-04")
    played.pass_time(1)
    assert played.states()["i-02"] == "Terminating:Wait"


@pytest.mark.parametrize("how", ["terminated in EC2", "a failed status check"])
def test_an_instance_that_ec2_reports_as_bad_becomes_unhealthy_and_its_termination_hook_fires(
    played: Played, how: str
) -> None:
    played.settled(size=1, hooks=HOOKS)
    if how == "terminated in EC2":
        played.fleet.set_state("i-01", "terminated")
    else:
        played.fleet.impaired_ids.add("i-01")
    played.pass_time(4)
    assert played.states() == {"i-01": "Terminating:Wait", "i-02": "Pending:Wait"}
    assert [e["detail-type"] for e in played.outbox.events].count("EC2 Instance-terminate Lifecycle Action") == 1


def test_an_instance_in_a_wait_state_is_not_health_checked(played: Played) -> None:
    played.create(size=1, hooks=HOOKS)
    played.pass_time(2)
    played.fleet.set_state("i-01", "terminated")
    played.pass_time(30)
    assert played.states() == {"i-01": "Pending:Wait"}


def test_unhealthy_within_the_grace_period_is_not_taken_unless_asked_for(played: Played) -> None:
    played.settled(size=1, HealthCheckGracePeriod=300)
    request = {"InstanceId": "i-01", "HealthStatus": "Unhealthy"}
    played.call("SetInstanceHealth", None, **request)
    assert played.shown()["Instances"][0]["HealthStatus"] == "Healthy"
    played.call("SetInstanceHealth", None, **request, ShouldRespectGracePeriod=False)
    assert played.shown()["Instances"][0]["HealthStatus"] == "Unhealthy"


@pytest.mark.parametrize(("decrement", "left"), [(True, 2), (False, 3)])
def test_terminating_an_instance_by_call_is_replaced_unless_the_capacity_shrinks(
    played: Played, *, decrement: bool, left: int
) -> None:
    played.settled(size=3)
    played.call(
        "TerminateInstanceInAutoScalingGroup", None, InstanceId="i-01", ShouldDecrementDesiredCapacity=decrement
    )
    played.pass_time(4)
    assert (len(played.states()), played.shown()["DesiredCapacity"]) == (left, left)
    assert "i-01" not in played.states()


def test_terminating_below_the_minimum_is_refused(played: Played) -> None:
    played.settled(size=3, MinSize=3)
    with pytest.raises(ApiError, match="min size"):
        played.call("TerminateInstanceInAutoScalingGroup", None, InstanceId="i-01", ShouldDecrementDesiredCapacity=True)


def test_an_unknown_instance_is_refused_in_the_words_of_aws(played: Played) -> None:
    with pytest.raises(ApiError, match="No managed instance found for instance ID: i-99"):
        played.call("SetInstanceHealth", None, InstanceId="i-99", HealthStatus="Unhealthy")


def test_a_desired_capacity_above_the_maximum_is_refused(played: Played) -> None:
    played.settled(size=3, MaxSize=3)
    with pytest.raises(ApiError, match="above max value 3"):
        played.call("SetDesiredCapacity", DesiredCapacity=4)


def test_a_group_with_instances_is_not_deleted(played: Played) -> None:
    played.settled(size=1)
    with pytest.raises(ApiError) as refused:
        played.call("DeleteAutoScalingGroup")
    assert refused.value.code == "ResourceInUse"


def test_a_forced_deletion_runs_no_hooks_and_says_that_it_is_under_way(played: Played) -> None:
    played.settled(size=2, hooks=HOOKS)
    played.call("DeleteAutoScalingGroup", ForceDelete=True)
    assert played.shown()["Status"] == "Delete in progress"
    played.pass_time(3)
    assert played.call("DescribeAutoScalingGroups", None) == {"AutoScalingGroups": []}
    assert "Terminating:Wait" not in played.path("i-01")


def test_a_group_that_retains_is_not_deleted_by_force(played: Played) -> None:
    played.settled(size=1, hooks=HOOKS, InstanceLifecyclePolicy=RETAIN)
    with pytest.raises(ApiError, match="TerminateHookAbandon retention trigger is set to retain"):
        played.call("DeleteAutoScalingGroup", ForceDelete=True)


def test_an_instance_in_standby_is_replaced_unless_the_capacity_shrinks(played: Played) -> None:
    played.settled(size=2, hooks=HOOKS)
    played.call("EnterStandby", InstanceIds=["i-01"], ShouldDecrementDesiredCapacity=True)
    played.call("EnterStandby", InstanceIds=["i-02"], ShouldDecrementDesiredCapacity=False)
    played.pass_time(3)
    assert played.states() == {"i-01": "Standby", "i-02": "Standby", "i-03": "Pending:Wait"}


def test_an_instance_leaves_standby_without_hooks_and_the_capacity_grows(played: Played) -> None:
    played.settled(size=1, hooks=HOOKS)
    played.call("EnterStandby", InstanceIds=["i-01"], ShouldDecrementDesiredCapacity=True)
    played.pass_time(1)
    played.call("ExitStandby", InstanceIds=["i-01"])
    played.pass_time(2)
    assert played.path("i-01")[-4:] == ["EnteringStandby", "Standby", "Pending", "InService"]
    assert played.shown()["DesiredCapacity"] == 1


def test_only_an_instance_in_service_goes_to_standby(played: Played) -> None:
    played.create(size=1, hooks=HOOKS)
    with pytest.raises(ApiError, match="i-01 is not in InService"):
        played.call("EnterStandby", InstanceIds=["i-01"], ShouldDecrementDesiredCapacity=True)


def test_an_activity_is_open_during_the_launch_and_successful_after_it(played: Played) -> None:
    played.create(size=1, hooks=HOOKS)
    played.pass_time(2)
    assert [a["StatusCode"] for a in played.call("DescribeScalingActivities")["Activities"]] == ["InProgress"]
    played.complete("i-01")
    (activity,) = played.call("DescribeScalingActivities")["Activities"]
    assert (activity["StatusCode"], activity["Description"]) == ("Successful", "Launching a new EC2 instance: i-01")
