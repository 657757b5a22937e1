"""Instance refresh and warm pool."""

import pytest

from lab.local_aws.autoscaling.ports import ApiError
from tests.lab.played import LAUNCH_HOOK, TERMINATE_HOOK, Played

HOOKS = (LAUNCH_HOOK, TERMINATE_HOOK)
LAUNCH_FIRST = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 110}


def count(played: Played, state: str) -> int:
    return list(played.states().values()).count(state)


def newest(played: Played) -> dict[str, object]:
    refresh: dict[str, object] = played.call("DescribeInstanceRefreshes")["InstanceRefreshes"][0]
    return refresh


def drive(played: Played) -> list[int]:
    """Continue every action, one a second, and return how many were in service at each second."""
    in_service = []
    for _ in range(60):
        for instance_id, state in played.states().items():
            if state.endswith(":Wait"):
                played.complete(instance_id, hook="etcd-launch" if state.startswith("Pending") else "etcd-terminate")
                break
        played.pass_time(1)
        in_service.append(count(played, "InService"))
    return in_service


def test_a_refresh_above_100_percent_never_serves_with_fewer_than_desired(played: Played) -> None:
    old = set(played.settled(size=3, hooks=HOOKS))
    played.call("StartInstanceRefresh", Preferences=LAUNCH_FIRST)
    in_service = drive(played)
    assert (min(in_service), max(in_service)) == (3, 3)
    assert (newest(played)["Status"], newest(played)["PercentageComplete"]) == ("Successful", 100)
    assert not old & set(played.states())


def test_a_refresh_up_to_100_percent_terminates_one_and_launches_at_the_same_time(played: Played) -> None:
    old = set(played.settled(size=3, hooks=HOOKS))
    played.call("StartInstanceRefresh", Preferences={})
    played.pass_time(2)
    assert sorted(played.states().values()) == ["InService", "InService", "Pending:Wait", "Terminating:Wait"]
    assert min(drive(played)) == 2
    assert newest(played)["Status"] == "Successful"
    assert not old & set(played.states())


def test_a_refresh_replaces_several_at_a_time_when_the_percentages_allow(played: Played) -> None:
    played.settled(size=4, hooks=HOOKS)
    played.call("StartInstanceRefresh", Preferences={"MinHealthyPercentage": 50})
    played.pass_time(2)
    assert count(played, "Terminating:Wait") == 2


def test_a_refresh_waits_for_the_warmup_of_a_new_instance(played: Played) -> None:
    played.settled(size=1, hooks=HOOKS)
    played.call("StartInstanceRefresh", Preferences=LAUNCH_FIRST | {"InstanceWarmup": 20})
    played.pass_time(2)
    played.complete("i-02")
    played.pass_time(15)
    assert played.states() == {"i-01": "InService", "i-02": "InService"}
    played.pass_time(6)
    assert played.states() == {"i-01": "Terminating:Wait", "i-02": "InService"}


def test_a_refresh_that_skips_matching_leaves_what_has_the_wanted_template(played: Played) -> None:
    kept = played.settled(size=2, hooks=HOOKS)
    played.call("StartInstanceRefresh", Preferences={"SkipMatching": True})
    played.pass_time(2)
    assert (list(played.states()), newest(played)["Status"]) == (kept, "Successful")


def test_a_refresh_brings_the_desired_launch_template(played: Played) -> None:
    played.settled(size=1, hooks=HOOKS)
    wanted = {"LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "2"}}
    played.call("StartInstanceRefresh", Preferences=LAUNCH_FIRST, DesiredConfiguration=wanted)
    drive(played)
    assert played.shown()["Instances"][0]["LaunchTemplate"]["Version"] == "2"
    assert played.shown()["LaunchTemplate"]["Version"] == "2"


def test_a_cancelled_refresh_begins_no_new_replacement(played: Played) -> None:
    played.settled(size=3, hooks=HOOKS)
    played.call("StartInstanceRefresh", Preferences=LAUNCH_FIRST)
    played.pass_time(2)
    played.call("CancelInstanceRefresh")
    played.pass_time(1)
    drive(played)
    assert newest(played)["Status"] == "Cancelled"
    assert len({"i-01", "i-02", "i-03"} & set(played.states())) >= 2


def test_a_second_refresh_is_refused_while_one_is_in_progress(played: Played) -> None:
    played.settled(size=1, hooks=HOOKS)
    played.call("StartInstanceRefresh")
    with pytest.raises(ApiError) as refused:
        played.call("StartInstanceRefresh")
    assert refused.value.code == "InstanceRefreshInProgress"


def test_cancelling_without_a_refresh_is_refused(played: Played) -> None:
    played.settled(size=1)
    with pytest.raises(ApiError) as refused:
        played.call("CancelInstanceRefresh")
    assert refused.value.code == "ActiveInstanceRefreshNotFound"


def test_the_warm_pool_fills_to_the_prepared_capacity_and_stops_its_instances(played: Played) -> None:
    played.settled(size=1, hooks=HOOKS)
    played.call("PutWarmPool", MaxGroupPreparedCapacity=3)
    played.pass_time(2)
    pool = played.call("DescribeWarmPool")
    assert [each["LifecycleState"] for each in pool["Instances"]] == ["Warmed:Pending:Wait"] * 2
    for each in pool["Instances"]:
        played.complete(each["InstanceId"])
    played.pass_time(1)
    assert [each["LifecycleState"] for each in played.call("DescribeWarmPool")["Instances"]] == ["Warmed:Stopped"] * 2
    assert (played.fleet.state("i-02"), played.states()) == ("stopped", {"i-01": "InService"})


def test_scaling_out_takes_an_instance_from_the_warm_pool_through_the_launch_hook_again(played: Played) -> None:
    played.settled(size=1, hooks=HOOKS)
    played.call("PutWarmPool", MaxGroupPreparedCapacity=2, PoolState="Running")
    played.pass_time(2)
    played.complete("i-02")
    played.call("SetDesiredCapacity", DesiredCapacity=2)
    played.pass_time(2)
    played.complete("i-02")
    assert played.path("i-02") == [
        "Warmed:Pending",
        "Warmed:Pending:Wait",
        "Warmed:Pending:Proceed",
        "Warmed:Running",
        "Pending",
        "Pending:Wait",
        "Pending:Proceed",
        "InService",
    ]


def test_events_say_when_the_warm_pool_is_where_an_instance_comes_from_or_goes_to(played: Played) -> None:
    played.settled(size=1, hooks=HOOKS)
    played.call("PutWarmPool", MaxGroupPreparedCapacity=2, PoolState="Running")
    played.pass_time(2)
    played.complete("i-02")
    played.call("SetDesiredCapacity", DesiredCapacity=2)
    played.pass_time(2)
    details = [e["detail"] for e in played.outbox.events if e["detail-type"] == "EC2 Instance-launch Lifecycle Action"]
    ways = [(each["Origin"], each["Destination"]) for each in details if each["EC2InstanceId"] == "i-02"]
    assert ways == [("EC2", "WarmPool"), ("WarmPool", "AutoScalingGroup")]


def test_deleting_the_warm_pool_terminates_its_instances_through_the_hook(played: Played) -> None:
    played.settled(size=1, hooks=[TERMINATE_HOOK])
    played.call("PutWarmPool", MaxGroupPreparedCapacity=2)
    played.pass_time(3)
    played.call("DeleteWarmPool")
    played.pass_time(2)
    assert played.call("DescribeWarmPool")["WarmPoolConfiguration"]["Status"] == "PendingDelete"
    played.complete("i-02", hook="etcd-terminate")
    played.pass_time(3)
    assert played.call("DescribeWarmPool") == {"WarmPoolConfiguration": None, "Instances": []}


def test_a_refresh_that_is_stopped_with_one_too_many_ends_an_unprotected_instance(played: Played) -> None:
    """And so an old one, unless all of those are protected: they have the oldest launch template."""
    old = played.settled(size=3, hooks=HOOKS)
    played.call("UpdateAutoScalingGroup", LaunchTemplate={"LaunchTemplateId": "lt-1", "Version": "2"})
    preferences = LAUNCH_FIRST | {"SkipMatching": True, "ScaleInProtectedInstances": "Refresh"}
    played.call("SetInstanceProtection", InstanceIds=old, ProtectedFromScaleIn=True)
    played.call("StartInstanceRefresh", Preferences=preferences)
    played.pass_time(2)
    played.call("CancelInstanceRefresh")
    played.pass_time(1)
    states = played.states()
    assert [states.pop(i) for i in old] == ["InService"] * 3
    assert list(states.values()) == ["Terminating:Wait"]


def test_a_refresh_replaces_protected_instances_only_if_it_is_told_to(played: Played) -> None:
    old = played.settled(size=2, hooks=HOOKS)
    played.call("SetInstanceProtection", InstanceIds=old, ProtectedFromScaleIn=True)
    played.call("StartInstanceRefresh", Preferences=LAUNCH_FIRST)
    drive(played)
    assert set(old) < set(played.states())
    played.call("CancelInstanceRefresh")
    played.pass_time(1)
    played.call("StartInstanceRefresh", Preferences=LAUNCH_FIRST | {"ScaleInProtectedInstances": "Refresh"})
    drive(played)
    assert not set(old) & set(played.states())


def test_an_abandoned_launch_is_a_cancelled_activity_that_says_why(played: Played) -> None:
    played.settled(size=0, hooks=HOOKS)
    played.call("UpdateAutoScalingGroup", MaxSize=1, DesiredCapacity=1)
    played.pass_time(1)
    played.complete("i-01", result="ABANDON")
    activities = played.call("DescribeScalingActivities")["Activities"]
    (launch,) = (a for a in activities if a["Description"] == "Launching a new EC2 instance: i-01")
    assert launch["StatusCode"] == "Cancelled"
    assert launch["StatusMessage"].endswith("was abandoned: Lifecycle Action Completed with ABANDON Result")
