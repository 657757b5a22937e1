"""What the state machine needs from outside: EC2, a place for events, ids; and the pace at which things happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .model import Group


class ApiError(Exception):
    """An error that the API answers.

    Args:
        code: AWS's error code, for example ``ValidationError``.
        message: AWS's text.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Launched:
    """What EC2 answers to a launch."""

    instance_id: str
    image_id: str
    instance_type: str
    launch_template: dict[str, str]


@dataclass(frozen=True)
class Subnet:
    """A subnet that the group may launch into."""

    subnet_id: str
    zone: str


class Fleet(Protocol):
    """EC2, as far as Auto Scaling uses it."""

    def subnets(self, subnet_ids: list[str]) -> list[Subnet]:
        """The subnets of these ids that exist."""

    def launch(self, group: Group, subnet: Subnet, launch_template: dict[str, str]) -> Launched:
        """Start one instance, in state ``pending``.

        Raises:
            ApiError: EC2 refuses, for example as the launch template is gone.
        """

    def template(self, specification: dict[str, Any]) -> dict[str, str]:
        """The launch template's id, name and the version number that the specification means now.

        Raises:
            ApiError: there is no such launch template.
        """

    def state(self, instance_id: str) -> str:
        """EC2's instance state; ``terminated`` too for an instance that EC2 no longer knows."""

    def set_state(self, instance_id: str, state: str) -> None:
        """Put the instance into an EC2 instance state; an instance that is gone stays so."""

    def impaired(self, instance_id: str) -> bool:
        """Whether a status check of the instance fails."""


class Outbox(Protocol):
    """Where events and notifications go."""

    def event(self, event: dict[str, Any]) -> None:
        """Put an event on the default bus; it has ``source``, ``detail-type``, ``resources`` and ``detail``."""

    def notify(self, target_arn: str, message: dict[str, Any]) -> None:
        """Send a message to a hook's notification target."""

    def transition(self, record: dict[str, Any]) -> None:
        """Note a change of lifecycle state."""


@dataclass
class Pace:
    """How long things take, in seconds. On AWS it is minutes; nothing in the life cycle depends on it."""

    launch_s: float = 0.2
    terminate_s: float = 0.2
    health_check_s: float = 0.5
