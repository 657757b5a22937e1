"""How the controller runs."""

from dataclasses import dataclass

from infra.settings.rules import Flag, Text, TextOf, Whole, WholeOf, setting

NEWEST_RUNTIME = "python3.14"
LOG_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 180, 365)
"""What CloudWatch Logs accepts, up to a year."""


@dataclass(frozen=True, kw_only=True)
class ControllerSettings:
    """How the controller runs."""

    function_timeout_s: int = setting(60, Whole(minimum=15, maximum=840), "limit of one run", unit="s")
    visibility_timeout_s: int = setting(
        90, Whole(minimum=15, maximum=43200), "a message comes back after so long if its run was lost", unit="s"
    )
    max_receive_count: int = setting(
        5, Whole(minimum=1, maximum=100), "tries before a message goes to the dead-letter queue", unit="tries"
    )
    function_memory_mib: int = setting(256, Whole(minimum=128, maximum=3008), "memory of the function", unit="MiB")
    function_architecture: str = setting(
        "arm64", TextOf(choices=("arm64", "x86_64")), "processor of the function; some regions have only x86_64"
    )
    function_runtime: str = setting(
        NEWEST_RUNTIME,
        TextOf(choices=("python3.11", "python3.12", "python3.13", NEWEST_RUNTIME)),
        "Lambda runtime of the function; an older one is for regions that do not have the newest",
    )
    reserve_concurrency: bool = setting(
        True,  # noqa: FBT003 - a default, not an argument
        Flag(),
        "reserve one concurrent run for the function; AWS refuses it in an account whose limit is 10",
    )
    log_level: str = setting("INFO", TextOf(choices=("DEBUG", "INFO", "WARNING", "ERROR")), "level of the log")
    log_retention_days: int = setting(90, WholeOf(choices=LOG_RETENTION_DAYS), "how long logs are kept", unit="days")
    alarm_topic_arn: str = setting(
        "",
        Text(form=r"|arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+", expected="an SNS topic ARN, or empty"),
        "where alarms are sent; empty sends them nowhere",
    )
