"""What a message says. It only ever means "look now": the function decides by what it then sees, not by the message.

Formats:
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-event-reference.html
https://docs.aws.amazon.com/autoscaling/ec2/userguide/warm-pools-eventbridge-events.html
https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-cwe.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .core.errors import ClusterError
from .core.model import InstanceId, Transition

_LIFECYCLE = {
    "EC2 Instance-launch Lifecycle Action": Transition.LAUNCHING,
    "EC2 Instance-terminate Lifecycle Action": Transition.TERMINATING,
}
_TEST_NOTIFICATION = "autoscaling:TEST_NOTIFICATION"


class MalformedMessageError(ClusterError):
    """The message can never be read, however often it is delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleAction:
    """An instance of our group waits for its lifecycle action to be completed.

    Attributes:
        lifecycle_action_token: Not needed to complete it: the instance id does as well.
        origin: ``EC2``, ``AutoScalingGroup`` or ``WarmPool``; empty where an older event does not say.
        destination: As ``origin``.
    """

    group: str
    instance_id: InstanceId
    transition: Transition
    hook: str
    lifecycle_action_token: str
    origin: str
    destination: str

    def __str__(self) -> str:
        return f"{self.transition} of {self.instance_id} ({self.origin or '?'} to {self.destination or '?'})"


@dataclass(frozen=True, slots=True)
class ScheduledTick:
    """A minute has passed."""

    def __str__(self) -> str:
        return "scheduled tick"


@dataclass(frozen=True, slots=True)
class ParameterChange:
    """Somebody wrote a parameter that the rule lets through: a request for a certificate."""

    parameter: str

    def __str__(self) -> str:
        return f"change of {self.parameter}"


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing to look at."""

    reason: str

    def __str__(self) -> str:
        return f"ignored: {self.reason}"


Trigger = LifecycleAction | ScheduledTick | ParameterChange | Ignored


def parse_message(body: str, *, group: str) -> Trigger:
    """Read the body of a queue message.

    Args:
        body: EventBridge's event, or what Auto Scaling itself sends to test a hook's target.
        group: The name of our Auto Scaling group; what concerns another is ignored.

    Raises:
        MalformedMessageError: Names the field that is missing or wrong.
    """
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedMessageError(f"the message is not JSON: {error}") from error
    if not isinstance(event, dict):
        raise MalformedMessageError(f"the message is of JSON type {type(event).__name__}, expected an object")
    if event.get("Event") == _TEST_NOTIFICATION:
        return Ignored("a test notification")
    source, detail_type = _text(event, "source"), _text(event, "detail-type")
    match source, detail_type:
        case "aws.autoscaling", _ if detail_type in _LIFECYCLE:
            return _lifecycle_action(event, _LIFECYCLE[detail_type], group)
        case "aws.events" | "aws.scheduler", "Scheduled Event":
            return ScheduledTick()
        case "aws.ssm", "Parameter Store Change":
            return ParameterChange(_text(_detail(event), "name", "detail."))
        case _:
            return Ignored(f"{detail_type!r} from {source!r} says nothing about the cluster")


def _lifecycle_action(event: Mapping[str, Any], expected: Transition, group: str) -> LifecycleAction | Ignored:
    detail = _detail(event)
    concerned = _text(detail, "AutoScalingGroupName", "detail.")
    if concerned != group:
        return Ignored(f"the group {concerned!r} is not ours")
    transition = _text(detail, "LifecycleTransition", "detail.")
    if transition != expected:
        raise MalformedMessageError(f"field detail.LifecycleTransition is {transition!r:.80}, expected {expected!r}")
    return LifecycleAction(
        group=concerned,
        instance_id=InstanceId(_text(detail, "EC2InstanceId", "detail.")),
        transition=expected,
        hook=_text(detail, "LifecycleHookName", "detail."),
        lifecycle_action_token=_text(detail, "LifecycleActionToken", "detail."),
        origin=_text(detail, "Origin", "detail.", default=""),
        destination=_text(detail, "Destination", "detail.", default=""),
    )


def _detail(event: Mapping[str, Any]) -> Mapping[str, Any]:
    detail = event.get("detail")
    if not isinstance(detail, dict):
        raise MalformedMessageError(f"field detail is {detail!r:.80}, expected an object")
    return detail


def _text(fields: Mapping[str, Any], name: str, path: str = "", *, default: str | None = None) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str) or (not value and default is None):
        raise MalformedMessageError(f"field {path}{name} is {value!r:.80}, expected text")
    return value
