"""Puts the second function together, of the parts that the controller is made of."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import wiring
from ..aws.errors import aws_call
from ..aws.session import new_session
from ..etcd.wire import Versions
from ..observability import Telemetry, logger, metrics
from ..settings import Settings
from .group_state import DeployedGroup
from .guard import Guard
from .health import health_of
from .rollout import Rollout

if TYPE_CHECKING:
    import boto3.session


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What the handler needs.

    Attributes:
        rollout: Makes a rollout that may take so many seconds in all.
        call_again: Has this function called once more, with this event.
    """

    guard: Guard
    rollout: Callable[[float], Rollout]
    call_again: Callable[[Mapping[str, Any]], None]


@functools.cache
def deployment() -> Deployment:
    """Return the parts of this execution environment, made at its first request.

    Raises:
        SettingError: A setting is missing or wrong.
    """
    return build(Settings.from_environ(os.environ), new_session(), os.environ["AWS_LAMBDA_FUNCTION_NAME"])


def build(settings: Settings, session: boto3.session.Session, function_name: str) -> Deployment:
    """Put the parts together; nothing is called yet."""
    clock = wiring.SystemClock()
    cluster = wiring.reach(settings, session, Telemetry(logger=logger, metrics=metrics, cluster=settings.cluster_name))
    etcd = cluster.etcd
    deployed = DeployedGroup(
        autoscaling=session.client("autoscaling", config=wiring.CLIENT_CONFIG),
        ec2=session.client("ec2", config=wiring.CLIENT_CONFIG),
        name=settings.cluster_name,
    )
    look = health_of(group=cluster.group, store=cluster.store, members=etcd, policy=settings.policy, clock=clock)

    # Between two runs the environment is frozen: no connection outlives a question.
    def health() -> str:
        with etcd:
            return look()

    def versions(endpoint: str) -> Versions:
        with etcd:
            return etcd.versions(endpoint)

    def call_again(event: Mapping[str, Any]) -> None:
        client = session.client("lambda", config=wiring.CLIENT_CONFIG)
        with aws_call("Invoke", function_name):
            client.invoke(FunctionName=function_name, InvocationType="Event", Payload=json.dumps(event))

    return Deployment(
        guard=Guard(group=cluster.group, store=cluster.store, versions=versions, tags=deployed.tags, clock=clock),
        rollout=lambda limit_s: Rollout(
            group=deployed,
            health=health,
            clock=clock,
            pause_s=settings.aws_poll_interval.total_seconds(),
            limit_s=limit_s,
        ),
        call_again=call_again,
    )
