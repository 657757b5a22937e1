"""What the dashboard of one cluster shows, row by row (docs/dashboard.svg is a picture of it)."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk.aws_cloudwatch import HorizontalAnnotation, YAxisProps

from infra.metrics import ClusterMetrics
from infra.settings import Settings
from infra.settings.monitoring import certificate_alarm_s

WIDTH = 24
"""Columns of CloudWatch's grid."""

_ALARMS_HEIGHT = 4
_FROM_ZERO = YAxisProps(min=0, show_units=False)
Rows = list[list[cloudwatch.IWidget]]


def dashboard_rows(settings: Settings, metrics: ClusterMetrics, alarms: Sequence[cloudwatch.IAlarm]) -> Rows:
    """Return the widgets: what rings first, then what it may be about, from etcd outwards."""
    status = cloudwatch.AlarmStatusWidget(
        title=f"Alarms of etcd cluster {settings.cluster_name}", alarms=alarms, width=WIDTH, height=_ALARMS_HEIGHT
    )
    return [
        [status],
        _quorum(metrics),
        _changes(settings, metrics),
        _data(settings, metrics),
        _group(metrics),
        _function(settings, metrics),
    ]


def _graph(
    title: str,
    left: Sequence[cloudwatch.IMetric],
    *,
    width: int,
    lines: Sequence[HorizontalAnnotation] = (),
    right: Sequence[cloudwatch.IMetric] = (),
    axis: YAxisProps = _FROM_ZERO,
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title=title,
        left=list(left),
        left_annotations=list(lines),
        left_y_axis=axis,
        right=list(right),
        right_y_axis=_FROM_ZERO if right else None,
        width=width,
        height=6,
    )


def _line(value: float, label: str) -> HorizontalAnnotation:
    return HorizontalAnnotation(value=value, label=label)


def _quorum(metrics: ClusterMetrics) -> list[cloudwatch.IWidget]:
    voters = metrics.own("Voters", label="voters")
    majority = cloudwatch.MathExpression(
        expression="FLOOR(voters / 2) + 1", using_metrics={"voters": voters}, label="majority", period=voters.period
    )
    return [
        _graph(
            "Quorum: voters",
            [
                metrics.own("Desired", label="desired"),
                voters,
                metrics.own("VotersResponding", "Minimum", label="voters that serve (least)"),
                majority,
            ],
            width=10,
        ),
        _graph(
            "Voters that may fail",
            [metrics.own("MajorityMargin", "Minimum", label="serving voters beyond a majority (least)")],
            lines=[_line(0, "the next takes the quorum")],
            axis=YAxisProps(show_units=False),
            width=7,
        ),
        _graph(
            "Leader and quorum (1: yes)",
            [
                metrics.own("LeaderKnown", "Minimum", label="a leader is known"),
                metrics.own("QuorumAtRisk", label="quorum at risk"),
                metrics.own("QuorumLost", label="quorum lost"),
            ],
            axis=YAxisProps(min=0, max=1, show_units=False),
            width=7,
        ),
    ]


def _changes(settings: Settings, metrics: ClusterMetrics) -> list[cloudwatch.IWidget]:
    return [
        _graph(
            "Membership changes",
            [metrics.own("MembershipChanges", "Sum", label="changes"), metrics.own("Learners", label="learners")],
            width=8,
        ),
        _graph(
            "Refusals, members not as desired",
            [
                metrics.own("Refused", label="a run ended in a refusal"),
                metrics.own("MemberDifference", label="members missing or too many"),
            ],
            width=8,
        ),
        _graph(
            "Longest wait of a newcomer (s)",
            [metrics.own("JoinWait", label="oldest newcomer")],
            lines=[_line(settings.timing.join_timeout_s, "overdue")],
            width=8,
        ),
    ]


def _data(settings: Settings, metrics: ClusterMetrics) -> list[cloudwatch.IWidget]:
    width = WIDTH // (4 if settings.uses_tls else 3)
    widgets: list[cloudwatch.IWidget] = [
        _graph(
            "Largest database (bytes)",
            [metrics.own("DatabaseSize", label="database file")],
            lines=[_line(settings.etcd.quota_bytes, "quota")],
            width=width,
        ),
        _graph(
            "Use of the quota (%)",
            [metrics.own("DatabaseUse", label="of the quota")],
            lines=[_line(settings.monitoring.database_alarm_percent, "alarm")],
            axis=YAxisProps(min=0, max=100, show_units=False),
            width=width,
        ),
        _graph(
            "etcd's own alarms (members)",
            [metrics.own("NoSpace", label="NOSPACE"), metrics.own("Corrupt", label="CORRUPT")],
            width=width,
        ),
    ]
    if settings.uses_tls:
        left = metrics.own("CertificateLeft", "Minimum")
        hours = cloudwatch.MathExpression(
            expression="left / 3600",
            using_metrics={"left": left},
            label="certificate that ends first",
            period=left.period,
        )
        alarm = _line(certificate_alarm_s(settings) / 3600, "alarm")
        answered = [
            metrics.own("CertificatesIssued", "Sum", label="issued (right)"),
            metrics.own("CertificateRequestsRefused", "Sum", label="requests refused (right)"),
        ]
        widgets.append(_graph("Certificates (h left)", [hours], right=answered, lines=[alarm], width=width))
    return widgets


def _group(metrics: ClusterMetrics) -> list[cloudwatch.IWidget]:
    states = {
        "GroupDesiredCapacity": "desired",
        "GroupInServiceInstances": "InService",
        "GroupPendingInstances": "Pending",
        "GroupTerminatingInstances": "Terminating",
    }
    return [
        _graph(
            "Lifecycle: instances of the group",
            [metrics.group(name, label=label) for name, label in states.items()],
            width=12,
        ),
        _graph(
            "Controller: runs, and what went wrong in them",
            [
                metrics.own("Tick", "Sum", label="runs that ended"),
                metrics.own("ReconcileErrors", "Sum", label="failed calls of decisions"),
                metrics.own("ChoreErrors", "Sum", label="failed chores"),
                metrics.own("MalformedMessages", "Sum", label="malformed messages"),
            ],
            width=12,
        ),
    ]


def _function(settings: Settings, metrics: ClusterMetrics) -> list[cloudwatch.IWidget]:
    timeout = Duration.seconds(settings.controller.function_timeout_s)
    return [
        _graph(
            "Function: duration (ms)",
            [
                metrics.function("Duration", "p50", label="median"),
                metrics.function("Duration", "Maximum", label="longest"),
            ],
            lines=[_line(timeout.to_milliseconds(), "cut off")],
            width=8,
        ),
        _graph(
            "Function: invocations, errors, throttles",
            [
                metrics.function("Invocations", "Sum", label="invocations"),
                metrics.function("Errors", "Sum", label="errors"),
                metrics.function("Throttles", "Sum", label="throttles"),
            ],
            width=8,
        ),
        _graph(
            "Queue and dead letters",
            [metrics.queue("ApproximateAgeOfOldestMessage", label="oldest message (s)")],
            right=[metrics.dead_letters(label="dead letters (right)")],
            width=8,
        ),
    ]
