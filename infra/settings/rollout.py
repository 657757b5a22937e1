"""How a changed stack reaches the instances."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.settings.rules import KEY_PREFIX, TextOf, Whole, setting

if TYPE_CHECKING:
    from infra.settings import Settings


@dataclass(frozen=True, kw_only=True)
class RolloutSettings:
    """How a changed stack reaches the instances."""

    rollout: str = setting(
        "automatic",
        TextOf(choices=("automatic", "manual")),
        "who replaces the instances of a changed launch template: the deployment, which fails and goes back if a new "
        "one does not become a member; or you, by an instance refresh",
    )
    # CloudFormation waits an hour for a custom resource, and no longer; what was begun needs some minutes to end.
    rollout_timeout_min: int = setting(
        50, Whole(minimum=5, maximum=50), "time in which a deployment has to replace all instances", unit="min"
    )


def rollout_conflicts(settings: "Settings", _given: Mapping[str, Any]) -> Iterator[str]:
    """Say that a failed new version would not be seen in time."""
    rollout, timing = settings.rollout, settings.timing
    if settings.attach.attach:
        return  # what is not ours is not rolled out
    if rollout.rollout == "automatic" and timing.launch_hook_timeout_s >= 60 * rollout.rollout_timeout_min:
        yield (
            f"{KEY_PREFIX}rollout_timeout_min: got {rollout.rollout_timeout_min}, expected more minutes than "
            f"{KEY_PREFIX}launch_hook_timeout_s, which is {timing.launch_hook_timeout_s} s, "
            f"or {KEY_PREFIX}rollout=manual"
        )
