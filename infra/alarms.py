"""The alarms of one cluster: what each watches, and what silence of its metric means.

A value that the controller could not read is not published, and never counts as fine: such an alarm shows
INSUFFICIENT_DATA (MISSING), and neither rings nor is green. That nobody looks any more rings by itself (Silent).
Why: docs/decisions/0019-alarms.md.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk.aws_cloudwatch import ComparisonOperator, TreatMissingData

from infra.metrics import ClusterMetrics
from infra.settings import Settings
from infra.settings.monitoring import certificate_alarm_s

RUNBOOK = "docs/runbook.md"
_DAY_S = 24 * 3600
_SLOW_MIN = 5
"""What changes slowly is judged in periods of at least this, so that a late tick leaves none of them empty."""
_NEXT_TRY_MIN = 5
"""Until a newcomer that was given up is gone and the next one launches."""
_SILENT = 5
"""So many periods without a run that ended."""


@dataclass(frozen=True, kw_only=True)
class AlarmSpec:
    """One alarm.

    Attributes:
        name: Of the construct, and of its paragraph in the runbook.
        says: What is wrong, after the cluster's name.
        of: How many periods are looked at; ``needed`` of them, all by default, must be beyond the threshold.
    """

    name: str
    says: str
    metric: cloudwatch.Metric
    threshold: float = 1
    of: int = 1
    needed: int | None = None
    operator: ComparisonOperator = ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
    missing: TreatMissingData = TreatMissingData.MISSING

    def description(self, cluster_name: str) -> str:
        """What a person reads who is woken by it."""
        return f"etcd cluster {cluster_name}: {self.says}. What to do: {RUNBOOK}#{self.name.lower()}"


def alarm_specs(settings: Settings, metrics: ClusterMetrics) -> tuple[AlarmSpec, ...]:
    """Return every alarm, the worst first."""
    parts = (_of_quorum, _of_members, _of_data, _of_the_controller)
    return tuple(spec for part in parts for spec in part(settings, metrics))


def _of_quorum(settings: Settings, metrics: ClusterMetrics) -> Iterator[AlarmSpec]:
    yield AlarmSpec(
        name="QuorumLost",
        says="it has no quorum, takes no writes, and the controller changes nothing until it has",
        metric=metrics.own("QuorumLost"),
        of=2,
        # Every run that ends says it. Once lost, it is lost until a run has seen otherwise.
        missing=TreatMissingData.IGNORE,
    )
    yield AlarmSpec(
        name="QuorumAtRisk",
        says="it cannot spare one more voter: the next that fails takes the quorum with it",
        # Minimum: not one look of the period saw it well. One member that died is replaced in some minutes.
        metric=metrics.own("QuorumAtRisk", "Minimum"),
        of=max(1, settings.monitoring.quorum_alarm_min // metrics.period_min),
    )
    yield AlarmSpec(
        name="NoLeader",
        says="no member that answers knows of a leader",
        # Maximum: an election takes a second or two, and one look that saw a leader is enough.
        metric=metrics.own("LeaderKnown"),
        operator=ComparisonOperator.LESS_THAN_THRESHOLD,
        of=3,
    )


def _of_members(settings: Settings, metrics: ClusterMetrics) -> Iterator[AlarmSpec]:
    slow_min = max(_SLOW_MIN, metrics.period_min)
    yield AlarmSpec(
        name="MemberDifference",
        says=f"for {settings.monitoring.member_count_alarm_min} minutes it has not had the desired members",
        # Minimum: in a refresh of many instances each step ends with the desired members.
        metric=metrics.own("MemberDifference", "Minimum", minutes=slow_min),
        of=max(1, settings.monitoring.member_count_alarm_min // slow_min),
    )
    yield AlarmSpec(
        name="JoinOverdue",
        says=f"an instance has waited for more than {settings.timing.join_timeout_s} s to be let in as a voter",
        metric=metrics.own("JoinWait"),
        threshold=settings.timing.join_timeout_s,
        # One value is all there is: who has waited for so long is given up. It rings on until the next newcomer has
        # had its time too, so that one that fails again and again is one alarm.
        of=math.ceil((settings.timing.join_timeout_s / 60 + _NEXT_TRY_MIN) / metrics.period_min),
        needed=1,
    )
    yield AlarmSpec(
        name="Refusing",
        says=f"for {settings.monitoring.refusal_alarm_min} minutes the controller has refused to change anything",
        metric=metrics.own("Refused", "Minimum", minutes=slow_min),
        of=max(1, settings.monitoring.refusal_alarm_min // slow_min),
    )


def _of_data(settings: Settings, metrics: ClusterMetrics) -> Iterator[AlarmSpec]:
    yield AlarmSpec(
        name="NoSpace",
        says="etcd has raised NOSPACE: its database is full, and it takes no more writes",
        metric=metrics.own("NoSpace"),
    )
    yield AlarmSpec(
        name="Corrupt",
        says="etcd has raised CORRUPT: a member's data differs from the others'",
        metric=metrics.own("Corrupt"),
    )
    yield AlarmSpec(
        name="DatabaseNearQuota",
        says=f"a member's database uses {settings.monitoring.database_alarm_percent} % of its quota",
        metric=metrics.own("DatabaseUse"),
        threshold=settings.monitoring.database_alarm_percent,
        of=3,
    )
    if settings.uses_tls:
        seconds, days = certificate_alarm_s(settings), settings.monitoring.ca_alarm_days
        of = " of a member's" if settings.pki == "automatic" else " of a member's or the controller's"
        yield AlarmSpec(
            name="CertificateEnds",
            says=f"a certificate{of} ends within {seconds / 3600:g} hours, and was not renewed",
            metric=metrics.own("CertificateLeft", "Minimum"),
            threshold=seconds,
            operator=ComparisonOperator.LESS_THAN_THRESHOLD,
            of=2,
        )
        yield AlarmSpec(
            name="CaEnds",
            says=f"a CA that it trusts ends within {days} days: with it end all certificates of that CA",
            metric=metrics.own("CaLeft", "Minimum"),
            threshold=days * _DAY_S,
            operator=ComparisonOperator.LESS_THAN_THRESHOLD,
            of=2,
        )


def _of_the_controller(_settings: Settings, metrics: ClusterMetrics) -> Iterator[AlarmSpec]:
    silent_min = _SILENT * metrics.period_min
    yield AlarmSpec(
        name="FunctionErrors",
        says="the controller's function fails: it was cut off, or an error in it was met",
        metric=metrics.function("Errors", "Sum"),
        # A run that was cut off once is carried on by the next.
        of=5,
        needed=2,
        # Lambda publishes nothing when nothing runs, and what does not run does not fail.
        missing=TreatMissingData.NOT_BREACHING,
    )
    yield AlarmSpec(
        name="ControllerErrors",
        says="run after run, AWS calls that decisions need fail",
        metric=metrics.own("ReconcileErrors", "Sum"),
        of=5,
    )
    yield AlarmSpec(
        name="ChoreErrors",
        says="run after run, something that the controller does beside its decisions fails",
        metric=metrics.own("ChoreErrors", "Sum"),
        of=5,
    )
    yield AlarmSpec(
        name="DeadLetters",
        says="the controller gave up on a message",
        metric=metrics.dead_letters(),
        # SQS says nothing of a queue that was empty and unused for hours.
        missing=TreatMissingData.NOT_BREACHING,
    )
    yield AlarmSpec(
        name="Silent",
        says=f"the controller has not finished a run for {silent_min} minutes: nobody looks after it",
        metric=metrics.own("Tick", minutes=silent_min),
        operator=ComparisonOperator.LESS_THAN_THRESHOLD,
        missing=TreatMissingData.BREACHING,
    )
