"""Whether the hooks of a group that is somebody else's are still there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ..core.errors import AwsError
from ..core.model import Result, Transition
from .errors import aws_call

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.client import AutoScalingClient

    from ..core.view import View


class HookWatch:
    """A chore that fails for as long as a hook is missing, or lets silence count as consent.

    The owner's tools may take hooks away that they did not make; instances then come and go past the controller.
    """

    name: Final = "hook watch"

    def __init__(self, *, autoscaling: AutoScalingClient, group: str, hook_names: Mapping[Transition, str]) -> None:
        self._autoscaling = autoscaling
        self._group = group
        self._hook_names = hook_names

    def run(self, view: View) -> None:  # noqa: ARG002 - a chore's signature
        """Look at the hooks.

        Raises:
            AwsError: One is not as it was made, or the call failed.
        """
        with aws_call("DescribeLifecycleHooks", self._group):
            found = self._autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=self._group)["LifecycleHooks"]
        as_made = {
            (hook["LifecycleHookName"], hook["LifecycleTransition"])
            for hook in found
            if hook["DefaultResult"] == Result.ABANDON.value
        }
        missing = [name for transition, name in self._hook_names.items() if (name, transition.value) not in as_made]
        if missing:
            raise AwsError(f"{self._group} has not, or not as it was made, the lifecycle hook {' and '.join(missing)}")
