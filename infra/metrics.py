"""The metrics of one cluster, as alarms and dashboard read them (docs/formats.md lists the controller's own)."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from infra.controller import Controller
from infra.names import METRICS_NAMESPACE
from infra.settings import Settings


class ClusterMetrics:
    """Makes metrics of one cluster.

    No period is shorter than a tick or a run: each run publishes, when it ends, what it knows.

    Attributes:
        period_min: The shortest period, in minutes, that has a value each time.
    """

    def __init__(self, settings: Settings, controller: Controller) -> None:
        self.period_min = max(settings.timing.tick_interval_min, -(-settings.controller.function_timeout_s // 60))
        self._cluster_name = settings.cluster_name
        self._controller = controller

    def own(
        self, name: str, statistic: str = "Maximum", *, minutes: int | None = None, label: str | None = None
    ) -> cloudwatch.Metric:
        """One that the controller publishes."""
        return cloudwatch.Metric(
            namespace=METRICS_NAMESPACE,
            metric_name=name,
            dimensions_map={"cluster": self._cluster_name},
            statistic=statistic,
            period=Duration.minutes(minutes or self.period_min),
            label=label,
        )

    def group(self, name: str, *, label: str) -> cloudwatch.Metric:
        """One of the Auto Scaling group: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-metrics.html."""
        return cloudwatch.Metric(
            namespace="AWS/AutoScaling",
            metric_name=name,
            dimensions_map={"AutoScalingGroupName": self._cluster_name},
            statistic="Maximum",
            period=Duration.minutes(1),
            label=label,
        )

    def function(self, name: str, statistic: str, *, label: str | None = None) -> cloudwatch.Metric:
        """One of the function."""
        return self._controller.function.metric(
            name, statistic=statistic, period=Duration.minutes(self.period_min), label=label
        )

    def queue(self, name: str, *, label: str | None = None) -> cloudwatch.Metric:
        """One of the queue."""
        return self._controller.queue.metric(name, statistic="Maximum", period=Duration.minutes(1), label=label)

    def dead_letters(self, *, label: str | None = None) -> cloudwatch.Metric:
        """How many messages were given up and wait for a person."""
        return self._controller.dead_letter_queue.metric_approximate_number_of_messages_visible(
            statistic="Maximum", period=Duration.minutes(1), label=label
        )
