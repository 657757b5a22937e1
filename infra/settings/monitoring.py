"""When an alarm rings, and who hears it (docs/runbook.md)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.settings.rules import KEY_PREFIX, Flag, Text, Whole, setting

if TYPE_CHECKING:
    from infra.settings import Settings

_DAY_MIN = 24 * 60
"""The longest that CloudWatch looks back: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""

_OWN_CERTIFICATE_HOURS = 14 * 24
_BETWEEN_LOOKS_HOURS = 2
"""At most, of a host's timer: so long a certificate may be due, and nothing be wrong."""


@dataclass(frozen=True, kw_only=True)
class MonitoringSettings:
    """When an alarm rings, and who hears it."""

    quorum_alarm_min: int = setting(
        5, Whole(minimum=1, maximum=60), "a cluster that cannot spare a voter for so long rings", unit="min"
    )
    refusal_alarm_min: int = setting(
        15,
        Whole(minimum=5, maximum=_DAY_MIN),
        "a controller that refuses to change anything for so long rings",
        unit="min",
    )
    member_count_alarm_min: int = setting(
        30,
        Whole(minimum=5, maximum=_DAY_MIN),
        "a cluster that does not have the desired members for so long rings",
        unit="min",
    )
    database_alarm_percent: int = setting(
        80, Whole(minimum=1, maximum=99), "a database that uses so much of its quota rings", unit="%"
    )
    certificate_alarm_hours: int = setting(
        0,
        Whole(minimum=0, maximum=8760),
        "a certificate that ends within so long rings; 0: a quarter of `etcd:certificate_hours`, or for an own PKI 336",
        unit="h",
    )
    ca_alarm_days: int = setting(
        90,
        Whole(minimum=1, maximum=1825),
        "a CA that ends within so long rings: another takes three rollouts and a new certificate for every client",
        unit="days",
    )
    alarm_email: str = setting(
        "",
        Text(form=r"|[^@\s]{1,64}@[^@\s]{1,255}", expected="an e-mail address, or empty"),
        "makes an encrypted SNS topic that sends the alarms to this address, which AWS asks to confirm",
    )
    dashboard: bool = setting(
        True,  # noqa: FBT003 - a default, not an argument
        Flag(),
        "make a CloudWatch dashboard, 3 dollars a month beyond three in an account; without it the ten metrics that it "
        "alone shows are not published, 3 dollars a month too",
    )


def certificate_alarm_s(settings: "Settings") -> float:
    """Seconds before its end at which a certificate rings."""
    hours: float = settings.monitoring.certificate_alarm_hours
    if not hours:
        is_automatic = settings.tls.pki == "automatic"
        hours = settings.tls.certificate_hours / 4 if is_automatic else _OWN_CERTIFICATE_HOURS
    return hours * 3600


def monitoring_conflicts(settings: "Settings", _given: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each pair of values that cannot go together."""
    monitoring, tls = settings.monitoring, settings.tls
    most = tls.certificate_hours // 2 - _BETWEEN_LOOKS_HOURS
    if tls.pki == "automatic" and monitoring.certificate_alarm_hours > most:
        yield (
            f"{KEY_PREFIX}certificate_alarm_hours: got {monitoring.certificate_alarm_hours}, expected at most {most}, "
            f"two hours less than half of {KEY_PREFIX}certificate_hours, which is {tls.certificate_hours}: "
            "before that hosts may not have renewed theirs"
        )
