"""Puts the controller together: the only module that knows both the application and its adapters."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import boto3.session
from botocore.config import Config

from .app.reconcile import Pace, Reconciler, RunReport
from .aws.autoscaling import AutoScalingInstanceGroup
from .aws.dead_letters import DeadLetterQueue
from .aws.parameter_store import SsmRecordStore
from .core.model import Transition
from .etcd.client import EtcdClient
from .observability import Telemetry, logger, metrics
from .settings import Settings

# A call whose answer never comes fails after 2 x 4 s and a pause of at most 1 s, which the run's reserve is enough for.
# The run itself tries again (docs/decisions/0012-failed-calls.md).
CLIENT_CONFIG = Config(
    connect_timeout=2,  # seconds
    read_timeout=4,  # seconds
    retries={"mode": "standard", "total_max_attempts": 2},
)


class SystemClock:
    """The port Clock on the real one."""

    def now(self) -> float:
        """Return epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds of a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """What the handler needs.

    Attributes:
        run: Looks at the cluster and does what is to be done until nothing is left, or the time (in seconds) is.
    """

    cluster_name: str
    run: Callable[[Callable[[], float]], RunReport]
    dead_letters: DeadLetterQueue
    telemetry: Telemetry


@functools.cache
def controller() -> Controller:
    """Return the controller of this execution environment, made at its first message.

    Raises:
        SettingError: A setting is missing or wrong.
    """
    return build(Settings.from_environ(os.environ), boto3.session.Session())


def build(settings: Settings, session: boto3.session.Session) -> Controller:
    """Put a controller together; nothing is called yet."""
    telemetry = Telemetry(logger=logger, metrics=metrics, cluster=settings.cluster_name)
    etcd = etcd_client(settings)
    reconciler = Reconciler(
        members=etcd,
        group=instance_group(settings, session),
        store=record_store(settings, session),
        clock=SystemClock(),
        policy=settings.policy,
        telemetry=telemetry,
        pace=Pace(etcd=settings.etcd_poll_interval, aws=settings.aws_poll_interval, reserve=settings.run_reserve),
    )

    def run(time_left: Callable[[], float]) -> RunReport:
        with etcd:  # between two runs the environment is frozen: no connection outlives that
            return reconciler.run(time_left)

    return Controller(
        cluster_name=settings.cluster_name,
        run=run,
        dead_letters=DeadLetterQueue(
            client=functools.cache(lambda: session.client("sqs", config=CLIENT_CONFIG)),
            url=settings.dead_letter_queue_url,
            message_group=settings.cluster_name,
        ),
        telemetry=telemetry,
    )


def instance_group(settings: Settings, session: boto3.session.Session) -> AutoScalingInstanceGroup:
    """Return the cluster's group."""
    return AutoScalingInstanceGroup(
        autoscaling=session.client("autoscaling", config=CLIENT_CONFIG),
        ec2=session.client("ec2", config=CLIENT_CONFIG),
        name=settings.cluster_name,
        hook_names={
            Transition.LAUNCHING: settings.launch_hook_name,
            Transition.TERMINATING: settings.terminate_hook_name,
        },
    )


def record_store(settings: Settings, session: boto3.session.Session) -> SsmRecordStore:
    """Return the cluster's record."""
    return SsmRecordStore(ssm=session.client("ssm", config=CLIENT_CONFIG), prefix=settings.parameter_prefix)


def etcd_client(settings: Settings) -> EtcdClient:
    """Return a client that can reach the cluster's members."""
    return EtcdClient(connect_timeout=settings.etcd_connect_timeout, read_timeout=settings.etcd_read_timeout)
