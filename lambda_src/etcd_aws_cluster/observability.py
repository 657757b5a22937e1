"""Logs, metrics and traces: the only place that builds Powertools' objects."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

from .core.errors import ClusterError
from .core.telemetry import Metric

# An empty service: the alarms' one dimension is the cluster. The namespace and the log level come from Powertools'
# own environment variables.
logger = Logger()
metrics = Metrics(service="")
# Only AWS calls become subsegments: etcd is asked from threads, which have no segment.
tracer = Tracer(patch_modules=["botocore"])

# Each run says how many there were, none included: an alarm then tells "none" from "nobody looked".
_COUNTS: Mapping[Metric, float] = dict.fromkeys(
    (
        Metric.TICK,
        Metric.MEMBERSHIP_CHANGES,
        Metric.RECONCILE_ERRORS,
        Metric.CHORE_ERRORS,
        Metric.MALFORMED_MESSAGES,
        Metric.CERTIFICATES_ISSUED,
        Metric.CERTIFICATE_REQUESTS_REFUSED,
    ),
    0,
)
_UNITS: Mapping[Metric, MetricUnit] = {
    Metric.JOIN_WAIT: MetricUnit.Seconds,
    Metric.CERTIFICATE_LEFT: MetricUnit.Seconds,
    Metric.CA_LEFT: MetricUnit.Seconds,
    Metric.DATABASE_SIZE: MetricUnit.Bytes,
    Metric.DATABASE_USE: MetricUnit.Percent,
}


class Telemetry:
    """The port Telemetry on Powertools: one log line for each decision, one value of each metric for each run.

    Args:
        published: What becomes a metric, which costs; the values of others are in the same line of the log.
    """

    def __init__(
        self,
        *,
        logger: Logger,
        metrics: Metrics,
        cluster: str,
        published: Collection[Metric] = frozenset(Metric),
    ) -> None:
        self._logger = logger
        self._metrics = metrics
        self._published = published
        self._metrics.set_default_dimensions(cluster=cluster)
        self._values = dict(_COUNTS)

    def decision(self, kind: str, reason: str, detail: str, **facts: object) -> None:
        """Log a decision with everything it was made from."""
        self._logger.info("decision", extra={"kind": kind, "reason": reason, "detail": detail, **facts})

    def trouble(self, what: str, error: Exception) -> None:
        """Log something that went wrong and that a later look gets over; a mistake of ours with its place."""
        is_mistake = not isinstance(error, ClusterError)
        facts = {"problem": str(error), "error_type": type(error).__name__}
        self._logger.warning(what, extra=facts, exc_info=error if is_mistake else None)

    def gauge(self, name: Metric, value: float) -> None:
        """Set a metric; the run's last value counts."""
        self._values[name] = value

    def count(self, name: Metric) -> None:
        """Add one to a metric of this run."""
        self._values[name] += 1

    def publish(self) -> None:
        """Hand this run's values to Powertools, which prints them when the handler returns."""
        for metric, value in self._values.items():
            if metric in self._published:
                self._metrics.add_metric(name=metric.value, unit=_UNITS.get(metric, MetricUnit.Count), value=value)
            else:
                self._metrics.add_metadata(key=metric.value, value=float(value))
        self._values = dict(_COUNTS)
