"""What one cluster's controlling costs a month, item by item.

US dollars, on demand, us-east-1, without tax and without free tiers, as of ``LOOKED_UP``, from stored copies of the
pages and of articles of 2026. Instances, their volumes and the way out of the VPC are not in it: docs/network.md tells
what the last costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.network_costs import HOSTED_ZONE_MONTH, HOURS_A_MONTH

LOOKED_UP: Final = "2026-11-27"
_AWS: Final = "https://aws.amazon.com"


@dataclass(frozen=True, kw_only=True)
class Price:
    """What one of something costs.

    Attributes:
        of: What it is the price of.
        dollars: For one.
    """

    of: str
    dollars: float
    source: str

    def __post_init__(self) -> None:
        """Refuse what nobody sells."""
        if self.dollars <= 0:
            raise ValueError(f"{self.of}: {self.dollars:g} dollars, expected more than 0")


METRICS_TIERS: Final = ((10_000, 0.30), (250_000, 0.10), (1_000_000, 0.05), (float("inf"), 0.02))
"""Up to so many custom metrics of an account and region, each costs so much a month."""

PRICES: Final[Mapping[str, Price]] = {
    "metric": Price(of="custom metric, a month", dollars=0.30, source=f"{_AWS}/cloudwatch/pricing/"),
    "alarm": Price(of="alarm, a month", dollars=0.10, source=f"{_AWS}/cloudwatch/pricing/"),
    "dashboard": Price(of="dashboard, a month", dollars=3.00, source=f"{_AWS}/cloudwatch/pricing/"),
    "log": Price(of="GB of log, taken in", dollars=0.50, source=f"{_AWS}/cloudwatch/pricing/"),
    "trace": Price(of="trace recorded", dollars=5e-6, source=f"{_AWS}/xray/pricing/"),
    "key": Price(of="KMS key, a month", dollars=1.00, source=f"{_AWS}/kms/pricing/"),
    "key request": Price(of="KMS request", dollars=0.03 / 10_000, source=f"{_AWS}/kms/pricing/"),
    "secret": Price(of="secret, a month", dollars=0.40, source=f"{_AWS}/secrets-manager/pricing/"),
    "secret request": Price(
        of="Secrets Manager request", dollars=0.05 / 10_000, source=f"{_AWS}/secrets-manager/pricing/"
    ),
    "queue": Price(of="SQS FIFO request", dollars=0.50 / 1e6, source=f"{_AWS}/sqs/pricing/"),
    "run": Price(of="Lambda request", dollars=0.20 / 1e6, source=f"{_AWS}/lambda/pricing/"),
    "run time": Price(of="Lambda GB-second, arm64", dollars=0.0000133334, source=f"{_AWS}/lambda/pricing/"),
    "zone": Price(of="hosted zone, a month", dollars=HOSTED_ZONE_MONTH, source=f"{_AWS}/route53/pricing/"),
}
"""Free: rules and AWS's own events in EventBridge, standard parameters and calls for them, the group's metrics."""

SECONDS_A_MONTH: Final = HOURS_A_MONTH * 3600
POLLS_A_MONTH: Final = 5 * SECONDS_A_MONTH / 20
"""Lambda's pollers of an idle queue: five, 20 s each, as AWS tells of standard queues; assumed of FIFO queues."""
COLD_STARTS_A_MONTH: Final = 12 * HOURS_A_MONTH / 24
"""Assumed: Lambda tells no life of an environment. Each reads the CA once."""
REQUESTS_PER_MESSAGE: Final = 3
"""Sent, received, deleted; those received together take fewer."""
FUNCTION_LIFECYCLE_LOG_BYTES: Final = 400
"""Lambda's own START, END and REPORT lines of a run, with the trace's id."""


@dataclass(frozen=True, kw_only=True)
class Month:
    """What one cluster has and does in a month.

    Attributes:
        run_s: Of all runs together.
        memory_gib: Of the function.
        log_bytes: The function's own lines.
    """

    metrics: int
    alarms: int
    dashboards: int
    keys: int
    secrets: int
    zones: int
    runs: float
    run_s: float
    memory_gib: float
    messages: float
    log_bytes: float


def bill(month: Month) -> dict[str, float]:
    """Return dollars by item of one cluster, the first ones of an account."""
    price = {name: each.dollars for name, each in PRICES.items()}
    log_gb = (month.log_bytes + month.runs * FUNCTION_LIFECYCLE_LOG_BYTES) / 1e9
    reads = COLD_STARTS_A_MONTH * month.secrets
    return {
        "metrics": month.metrics * price["metric"],
        "dashboard": month.dashboards * price["dashboard"],
        "alarms": month.alarms * price["alarm"],
        "KMS": month.keys * price["key"] + reads * price["key request"],
        "secret": month.secrets * price["secret"] + reads * price["secret request"],
        "queue": (month.messages * REQUESTS_PER_MESSAGE + POLLS_A_MONTH) * price["queue"],
        "traces": month.runs * price["trace"],
        "log": log_gb * price["log"],
        "Lambda": month.runs * price["run"] + month.run_s * month.memory_gib * price["run time"],
        "zone": month.zones * price["zone"],
    }


def bill_of(month: Month, clusters: int) -> dict[str, float]:
    """Return dollars by item of so many clusters in one account and region; metrics become cheaper."""
    items = {name: dollars * clusters for name, dollars in bill(month).items()}
    return items | {"metrics": tiered(month.metrics * clusters)}


def tiered(metrics: int) -> float:
    """Return what so many custom metrics cost."""
    dollars = below = 0.0
    for upto, price in METRICS_TIERS:
        dollars += max(min(metrics, upto) - below, 0) * price
        below = upto
    return dollars
