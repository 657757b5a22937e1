"""How long things may take."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.settings.rules import KEY_PREFIX, Whole, setting

if TYPE_CHECKING:
    from infra.settings import Settings

# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutLifecycleHook.html
_HOOK_TIMEOUT = Whole(minimum=30, maximum=7200)
_WAIT = Whole(minimum=1, maximum=7200)


@dataclass(frozen=True, kw_only=True)
class TimingSettings:
    """How long things may take."""

    launch_hook_timeout_s: int = setting(
        1800, _HOOK_TIMEOUT, "a launching instance that is no caught-up voter by then is abandoned", unit="s"
    )
    terminate_hook_timeout_s: int = setting(
        3600, _HOOK_TIMEOUT, "a terminating instance that etcd has not let go by then is retained", unit="s"
    )
    gather_window_s: int = setting(
        300, _WAIT, "wait for all instances of a new cluster before a majority forms it", unit="s"
    )
    formation_timeout_s: int = setting(600, _WAIT, "a new cluster without quorum by then is given up", unit="s")
    join_timeout_s: int = setting(900, _WAIT, "a learner that has not caught up by then is removed", unit="s")
    replacement_wait_s: int = setting(600, _WAIT, "a leaving voter waits so long for its replacement", unit="s")
    unresponsive_grace_s: int = setting(120, _WAIT, "a silent voter is left alone for so long", unit="s")
    tick_interval_min: int = setting(1, Whole(minimum=1, maximum=60), "time between scheduled looks", unit="min")
    etcd_connect_timeout_s: int = setting(1, Whole(minimum=1, maximum=10), "limit of one connect to etcd", unit="s")
    etcd_read_timeout_s: int = setting(2, Whole(minimum=1, maximum=20), "limit of one answer from etcd", unit="s")
    etcd_poll_interval_ms: int = setting(
        100,
        Whole(minimum=10, maximum=5000),
        "longest pause between looks at etcd while a change is under way",
        unit="ms",
    )
    aws_poll_interval_s: int = setting(
        2, Whole(minimum=1, maximum=60), "pause between looks at the AWS APIs while a change is under way", unit="s"
    )
    run_reserve_s: int = setting(
        10, Whole(minimum=1, maximum=120), "no new step is begun with less than this left of a run", unit="s"
    )


def timing_conflicts(settings: "Settings", _given: Mapping[str, Any]) -> Iterator[str]:
    """Say that the time of a newcomer or a leaver would be up before anybody looks again.

    A run that waits for one ends with the function's time; the next tick carries on, and keeps the hook alive.
    """
    timing = settings.timing
    tick_min = timing.tick_interval_min
    for key in ("join_timeout_s", "terminate_hook_timeout_s"):
        limit_s = getattr(timing, key)
        if 60 * tick_min >= limit_s and tick_min > 1:  # there is none shorter than a minute
            yield (
                f"{KEY_PREFIX}tick_interval_min: got {tick_min}, expected less than {KEY_PREFIX}{key}, "
                f"which is {limit_s} s: time would be up before the next look"
            )
