"""What the benchmark of scale counts, simulates and adds up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.account import Load, binds_at, evenly, simulate
from benchmarks.counted import CountedWorld
from benchmarks.prices import PRICES, Month, Price, bill, bill_of, tiered
from benchmarks.quotas import NUMBERS, RATES, Number, Rate
from benchmarks.scale_model import DECIDING, Cluster, count, things

READS = Rate(name="reads", calls=frozenset({"a", "b"}), per_s=2, burst=2, source="-")
LOAD = Load(tick=("a", "c"), period_s=10, chores=("b",))
MONTH = Month(
    metrics=10,
    alarms=2,
    dashboards=1,
    keys=1,
    secrets=1,
    zones=0,
    runs=1e6,
    run_s=1e6,
    memory_gib=1.0,
    messages=0,
    log_bytes=0,
)


@pytest.fixture(scope="module")
def three() -> Cluster:
    return count(3)


# -- counting -----------------------------------------------------------------------------------------------------


def test_a_settled_tick_reads_its_record_its_group_and_its_instances_once(three: Cluster) -> None:
    assert three.tick == ("ssm:GetParameters", "autoscaling:DescribeAutoScalingGroups", "ec2:DescribeInstances")
    assert set(three.tick) == DECIDING


def test_each_five_minutes_a_tick_looks_for_requests_after_what_its_decision_needs(three: Cluster) -> None:
    assert three.chores == ("ssm:GetParametersByPath",) * 2
    assert three.chores_every == 5
    assert three.settled.aws["ssm:GetParametersByPath"] == 12 * 2 + 1  # hourly: which certificates are there


def test_settled_ticks_write_nothing_and_read_each_member_once(three: Cluster) -> None:
    settled = three.settled
    assert settled.runs == settled.messages == 60
    assert settled.etcd == {"read": 3 * settled.runs}
    assert not [name for name in settled.aws if "Put" in name or "secretsmanager" in name]


def test_a_refresh_replaces_every_member_and_certifies_every_newcomer(three: Cluster) -> None:
    refresh = three.refresh
    assert {name: refresh.etcd[name] for name in ("add", "promote", "remove")} == {"add": 3, "promote": 3, "remove": 3}
    assert refresh.aws["autoscaling:CompleteLifecycleAction"] == 6
    assert refresh.hosts["ssm:PutParameter"] == 3
    assert refresh.aws["ssm:GetParameterHistory"] == 3


def test_every_call_is_in_the_timeline_in_order(three: Cluster) -> None:
    refresh = three.refresh
    assert len(refresh.timeline) == refresh.aws.total() + refresh.hosts.total()
    assert refresh.timeline == sorted(refresh.timeline, key=lambda call: call.at)


def test_the_same_is_counted_each_time(three: Cluster) -> None:
    again = count(3)
    assert again.tick == three.tick
    assert (again.refresh.aws, again.refresh.etcd) == (three.refresh.aws, three.refresh.etcd)


def test_names_cost_a_call_each_ten_minutes() -> None:
    assert CountedWorld(size=3, names=True).settle(60).aws["route53:ListResourceRecordSets"] == 6


def test_what_is_counted_is_what_the_quotas_are_of(three: Cluster) -> None:
    limited = frozenset[str]().union(*(rate.calls for rate in RATES))
    assert {*three.tick, *three.chores} <= limited
    # AWS tells no rate of these.
    assert set(three.refresh.aws) - limited == {"ssm:DeleteParameter", "ssm:GetParameterHistory"}


# -- an account ---------------------------------------------------------------------------------------------------


def test_what_fits_is_never_refused() -> None:
    outcome = simulate(LOAD, [READS], clusters=1, seconds=100)
    assert (outcome.missed, outcome.undone) == (0, 0)
    assert outcome.uses["reads"].mean == pytest.approx(0.2)
    assert outcome.uses["reads"].peak == 2
    assert outcome.uses["reads"].throttled == 0


def test_what_is_refused_is_tried_again_and_gets_through_later() -> None:
    outcome = simulate(LOAD, [READS], clusters=3, aligned=True, seconds=100)
    assert outcome.missed == 0
    assert 0 < outcome.uses["reads"].throttled < 1


def test_ticks_of_too_many_clusters_are_lost() -> None:
    outcome = simulate(LOAD, [READS], clusters=200, seconds=200)
    assert outcome.missed > 0.5
    assert outcome.uses["reads"].throttled > 0.5


def test_no_more_gets_through_than_the_quota_lets() -> None:
    outcome = simulate(LOAD, [READS], clusters=500, seconds=300)
    use = outcome.uses["reads"]
    assert use.peak > READS.burst
    assert round(use.tries * (1 - use.throttled)) == READS.per_s * 300


def test_a_chore_that_is_refused_does_not_lose_the_tick() -> None:
    scarce = Rate(name="scarce", calls=frozenset({"b"}), per_s=0.01, burst=0.01, source="-")
    outcome = simulate(LOAD, [scarce], clusters=5, seconds=50)
    assert (outcome.missed, outcome.undone) == (0, 1)


def test_chores_are_done_by_each_of_so_many_ticks_and_one_that_was_refused_is_due_again_at_the_next() -> None:
    load = Load(tick=("c",), period_s=10, chores=("b",), chores_every=5)
    plenty = Rate(name="plenty", calls=frozenset({"b"}), per_s=100, burst=100, source="-")
    scarce = replace(plenty, per_s=0.01, burst=0.01)
    assert simulate(load, [plenty], clusters=1, aligned=True, seconds=100).uses["plenty"].mean * 100 == 2
    refused = simulate(load, [scarce], clusters=1, aligned=True, seconds=100)
    assert refused.undone == 1
    assert refused.uses["plenty"].mean * 100 == 10


def test_aligned_ticks_are_all_there_at_once_and_spread_ones_are_not() -> None:
    aligned, spread = (simulate(LOAD, [], clusters=100, aligned=each, seconds=20) for each in (True, False))
    assert aligned.runs_at_once == 100
    assert spread.runs_at_once < 30


def test_the_same_hour_comes_to_the_same_each_time() -> None:
    first, second = (simulate(LOAD, [READS], clusters=77, seconds=300) for _ in range(2))
    assert first == second


def test_refreshes_are_counted_with_those_that_began_before() -> None:
    load = replace(LOAD, refresh=((0, "a"), (5, "a")))
    assert load.refresh_s == 6
    assert evenly(10, within_s=100, refresh_s=12, seconds=20) == [-10, 0, 10, 20]
    outcome = simulate(load, [READS], clusters=0, refreshes=[-5, 0, 18], seconds=20)
    assert outcome.uses["reads"].mean * 20 == 4


def test_a_rate_binds_where_ticks_ask_for_all_of_it() -> None:
    assert binds_at(LOAD, READS) == 10  # two calls of each in ten seconds
    assert binds_at(replace(LOAD, chores_every=4), READS) == 16
    assert binds_at(replace(LOAD, tick=("c",), chores=()), READS) == float("inf")


@pytest.mark.parametrize(("per_s", "burst"), [(0, 0), (-1, 5), (5, 1)])
def test_a_rate_that_lets_nothing_through_is_noticed(per_s: float, burst: float) -> None:
    with pytest.raises(ValueError, match="reads"):
        replace(READS, per_s=per_s, burst=burst)


def test_a_number_that_nothing_fits_into_is_noticed() -> None:
    with pytest.raises(ValueError, match="roles"):
        Number(name="roles", things=("AWS::IAM::Role",), most=0, source="-")


def test_every_quota_and_price_names_its_source() -> None:
    limits: list[Rate | Number | Price] = [*RATES, *NUMBERS, *PRICES.values()]
    sources = [each.source for each in limits]
    assert all(source.startswith(("https://docs.aws.amazon.com/", "https://aws.amazon.com/")) for source in sources)


# -- things and money ---------------------------------------------------------------------------------------------


def test_things_are_counted_in_the_template() -> None:
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Namespace": "EtcdAwsCluster", "MetricName": "Tick"}}
    function = {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "VpcConfig": {"SecurityGroupIds": ["sg"], "SubnetIds": ["one", "two"]},
            "ReservedConcurrentExecutions": 1,
        },
    }
    has = things({"Resources": {"a": alarm, "b": alarm, "c": function, "d": function}}, parameters=8)
    assert has["AWS::CloudWatch::Alarm"] == 2
    assert has["metrics with an alarm"] == 1
    assert has["function interfaces"] == 2
    assert has["reserved runs"] == 2
    assert Number(name="n", things=("parameters",), most=100, source="-").clusters(has) == 12.5
    assert Number(name="n", things=("nothing",), most=100, source="-").clusters(has) == float("inf")


def test_a_bill_is_added_up_item_by_item() -> None:
    items = bill(MONTH)
    assert items["metrics"] == pytest.approx(3.0)
    assert items["dashboard"] == pytest.approx(3.0)
    assert items["alarms"] == pytest.approx(0.2)
    assert items["Lambda"] == pytest.approx(0.2 + 13.3334)
    assert items["traces"] == pytest.approx(5.0)
    assert items["log"] == pytest.approx(0.2)  # Lambda's own lines
    assert items["zone"] == 0


def test_metrics_become_cheaper_and_the_rest_does_not() -> None:
    assert tiered(10_000) == pytest.approx(3_000)
    assert tiered(10_001) == pytest.approx(3_000.10)
    assert tiered(250_001) == pytest.approx(3_000 + 24_000 + 0.05)
    many = bill_of(MONTH, 10_000)
    assert many["metrics"] == pytest.approx(3_000 + 9_000)
    assert many["alarms"] == pytest.approx(10_000 * bill(MONTH)["alarms"])


def test_a_price_of_nothing_is_noticed() -> None:
    with pytest.raises(ValueError, match="alarm"):
        Price(of="alarm", dollars=0, source="-")
