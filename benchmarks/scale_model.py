"""One cluster in numbers: what its controller was counted to do, and what of AWS it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from benchmarks.account import Load
from benchmarks.counted import BOOT_S, TICK_S, CountedWorld
from benchmarks.counts import Counts
from benchmarks.prices import SECONDS_A_MONTH, Month
from infra.names import METRICS_NAMESPACE
from infra.settings import Settings

WARM_TICK_S: Final = 0.054
"""python -m benchmarks.warm_ticks, 2026-11-27, 2 cores under load: 0.054 [0.034-0.163], 41 runs."""
DECIDING: Final = frozenset({"ssm:GetParameters", "autoscaling:DescribeAutoScalingGroups", "ec2:DescribeInstances"})
"""What no controller of such a group does without: its own record, the group, the instances' addresses and states."""
REFRESHES_A_MONTH: Final = SECONDS_A_MONTH / (7 * 24 * 3600)
"""One a week."""
SLOW_BOOT_S: Final = 180.0


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What was counted of one cluster.

    Attributes:
        size: Members.
        tick: The calls of most settled ticks, in order.
        chores: What some ticks call after that.
        chores_every: That many ticks apart.
        formation: From the launches until all are in service.
        settled: A settled hour.
        refresh: An instance refresh.
        parameters: What it has in Parameter Store.
    """

    size: int
    tick: tuple[str, ...]
    chores: tuple[str, ...]
    chores_every: int
    formation: Counts
    settled: Counts
    refresh: Counts
    parameters: int

    @property
    def load(self) -> Load:
        """What it asks of AWS."""
        return Load(
            tick=self.tick,
            period_s=int(TICK_S),
            chores=self.chores,
            chores_every=self.chores_every,
            hourly=("ssm:GetParameter",) * self.size,
            refresh=_by_second(self.refresh),
        )

    @property
    def forming(self) -> Load:
        """What it asks of AWS while it forms, once, as a refresh."""
        return Load(tick=(), period_s=int(TICK_S), refresh=_by_second(self.formation))


def _by_second(counts: Counts) -> tuple[tuple[int, str], ...]:
    return tuple((int(call.at), call.name) for call in counts.timeline)


def count(size: int, *, names: bool = False, boot_s: float = BOOT_S) -> Cluster:
    """Count one cluster."""
    world = CountedWorld(size=size, names=names, boot_s=boot_s)
    settled = world.settle(60)
    by_minute = groupby(settled.timeline, key=lambda call: call.at // TICK_S)
    ticks = [tuple(call.name for call in calls) for _, calls in by_minute]
    (tick, _), (looking, times) = Counter(ticks).most_common(2)
    refresh = world.refresh()
    return Cluster(
        size=size,
        tick=tick,
        chores=looking[len(tick) :],
        chores_every=len(ticks) // times,
        formation=world.formation,
        settled=settled,
        refresh=refresh,
        parameters=len(world.store.parameters),
    )


def things(template: Mapping[str, Any], parameters: int) -> dict[str, float]:
    """Return how many of each thing one cluster has."""
    resources = template["Resources"].values()
    functions = [body["Properties"] for body in resources if body["Type"] == "AWS::Lambda::Function"]
    # Functions with the same security groups in the same subnet share an interface.
    interfaces = {
        (str(subnet), str(function["VpcConfig"]["SecurityGroupIds"]))
        for function in functions
        for subnet in function["VpcConfig"]["SubnetIds"]
    }
    return {
        **Counter(body["Type"] for body in resources),
        "function interfaces": len(interfaces),
        "reserved runs": sum(function.get("ReservedConcurrentExecutions", 0) for function in functions),
        "parameters": parameters,
        "metrics with an alarm": len(
            {
                body["Properties"]["MetricName"]
                for body in resources
                if body["Type"] == "AWS::CloudWatch::Alarm" and body["Properties"]["Namespace"] == METRICS_NAMESPACE
            }
        ),
        "stack": 1,
        "zone of names": 1,
    }


def month(cluster: Cluster, has: Mapping[str, float], *, refreshes: float, tick_s: float = WARM_TICK_S) -> Month:
    """Return what a cluster does in a month with so many refreshes."""
    hours = (SECONDS_A_MONTH - refreshes * cluster.refresh.seconds) / cluster.settled.seconds
    settled, refresh = cluster.settled, cluster.refresh
    runs = hours * settled.runs + refreshes * refresh.runs
    return Month(
        metrics=len(settled.metrics | refresh.metrics),
        alarms=int(has["AWS::CloudWatch::Alarm"]),
        dashboards=int(has["AWS::CloudWatch::Dashboard"]),
        keys=int(has["AWS::KMS::Key"]),
        secrets=int(has["AWS::SecretsManager::Secret"]),
        zones=0,
        runs=runs,
        run_s=runs * tick_s + hours * settled.busy_s + refreshes * refresh.busy_s,
        memory_gib=Settings.from_context({}).controller.function_memory_mib / 1024,
        messages=hours * settled.messages + refreshes * refresh.messages,
        log_bytes=hours * settled.log_bytes + refreshes * refresh.log_bytes,
    )


def calls_a_month(cluster: Cluster, *, refreshes: float) -> float:
    """Return the calls to AWS of a cluster's function and hosts."""
    hours = (SECONDS_A_MONTH - refreshes * cluster.refresh.seconds) / cluster.settled.seconds
    of_hour = cluster.settled.aws.total() + cluster.size
    return hours * of_hour + refreshes * len(cluster.refresh.timeline)
