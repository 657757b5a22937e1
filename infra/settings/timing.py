"""How long things may take."""

from dataclasses import dataclass

from infra.settings.rules import Whole, setting

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
