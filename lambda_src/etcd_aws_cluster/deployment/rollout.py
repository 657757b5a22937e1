"""Replaces instances of an older launch template, and stops at the first new one that does not become a member."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from ..core.errors import AwsError, GroupGoneError
from ..core.model import InstanceId
from ..core.ports import Clock
from .group_state import GroupState, Refresh

HEALTH_WAIT_S = 300.0
"""A cluster that is in the middle of something else gets so long before a rollout is refused."""

END_WAIT_S = 300.0
"""After a failure, so long for what was begun to end; then the stack goes back, which keeps more from being begun."""

_MOST_TRIES = 30
"""In a row: a minute or more of an AWS that does not answer, which is no reason to take a release back."""


class RolloutGroup(Protocol):
    """The group; its adapter is ``DeployedGroup``."""

    def look(self) -> GroupState:
        """Return how it stands."""

    def start_refresh(self, desired: int) -> str:
        """Start an instance refresh and return its id."""

    def protect(self, instance_ids: Collection[InstanceId], *, yes: bool) -> None:
        """Have scaling in leave instances alone, or no longer."""

    def cancel_refresh(self) -> None:
        """Stop the running one."""

    def failed_launches(self, since: float) -> tuple[str, ...]:
        """Return what is said of launches that failed since then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a rollout is; handed from one run of the function to the next.

    Attributes:
        began_at: Epoch seconds.
        refresh_id: Of the instance refresh that it waits for; empty before there is one.
        launching: Instances of the new launch template that were seen launching.
        served: Those that were seen in service.
        failing: Why it fails, once that is so; what was begun is then waited for.
        failing_since: Epoch seconds; 0 before that.
    """

    began_at: float
    refresh_id: str = ""
    launching: frozenset[InstanceId] = frozenset()
    served: frozenset[InstanceId] = frozenset()
    failing: str = ""
    failing_since: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {name: sorted(v) if isinstance(v, frozenset) else v for name, v in asdict(self).items()}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Progress:
        """Read what :meth:`to_json` returned."""
        fields: dict[str, Any] = {name: frozenset(v) if isinstance(v, list) else v for name, v in raw.items()}
        return cls(**fields)

    def having_seen(self, state: GroupState) -> Progress:
        """Take note of who launches and who serves."""
        return replace(self, launching=self.launching | state.newcomers, served=self.served | state.in_service)

    def given_up(self, state: GroupState) -> list[InstanceId]:
        """Return instances of the new launch template that leave without ever having served."""
        return sorted((self.launching - self.served) & state.leaving)


class RolloutFailedError(Exception):
    """Not everything was replaced; the text is for the person who deploys."""


class Rollout:
    """Waits and decides; nothing is kept between two runs but ``Progress``.

    Args:
        group: The group.
        health: Why the cluster cannot bear a rollout now; empty if it can.
        clock: Time.
        pause_s: Seconds between two looks.
        limit_s: Seconds that the whole may take.
    """

    def __init__(
        self, *, group: RolloutGroup, health: Callable[[], str], clock: Clock, pause_s: float, limit_s: float
    ) -> None:
        self._group = group
        self._health = health
        self._clock = clock
        self._pause_s = pause_s
        self._limit_s = limit_s

    def begin(self) -> Progress:
        """Return the beginning of a rollout."""
        return Progress(began_at=self._clock.now())

    def let_go(self) -> None:
        """Take off the protection that a rollout which was lost on its way left behind.

        CloudFormation deletes a group by way of zero instances, and waits in vain for those that are protected.

        Raises:
            GroupGoneError: There is no such group.
            AwsError: A call failed.
        """
        protected = self._group.look().protected
        if protected:
            self._group.protect(protected, yes=False)

    def run(self, progress: Progress, has_time: Callable[[], bool]) -> Progress | None:
        """Go on until everything is replaced, or ``has_time()`` is false.

        Returns:
            None when everything is replaced, else how far it is.

        Raises:
            RolloutFailedError: It was refused, stopped or not finished in time. What was begun has ended by then,
                unless the time was up.
            AwsError: Calls failed, several times in a row. The same may be called again with the same progress.
        """
        failures = 0
        while True:
            try:
                state = self._group.look()
                progress = progress.having_seen(state)
                step = self._step(progress, state)
            except GroupGoneError:
                return None
            except AwsError:
                failures += 1
                if failures == _MOST_TRIES:
                    raise
            else:
                failures = 0
                if step is None:
                    return None
                progress = step
            if not has_time():
                return progress
            self._clock.sleep(self._pause_s)

    def _step(self, progress: Progress, state: GroupState) -> Progress | None:
        """Do one thing. Returns how far it is then; None when there is nothing left to do."""
        if progress.failing:
            return self._wait_for_the_end(progress, state)
        if not progress.refresh_id:
            return self._start(progress, state)
        refresh = state.refresh(progress.refresh_id)
        if refresh is None:  # AWS may not show yet what has just been started
            if not self._is_late(progress, self._limit_s):
                return progress
            raise RolloutFailedError(f"Instance refresh {progress.refresh_id} is not known to AWS.")
        if refresh.is_active:
            return self._watch(progress, state, refresh)
        if refresh.status != "Successful":
            raise RolloutFailedError(
                f"Instance refresh {refresh.refresh_id} ended as {refresh.status}: "
                f"{refresh.reason or 'AWS says no more'}.{_left(state)}"
            )
        # Something may have been launched from the old one while the group changed.
        return replace(progress, refresh_id="")

    def _start(self, progress: Progress, state: GroupState) -> Progress | None:
        running = state.active_refresh
        if running and running.status == "Cancelling" and not self._is_late(progress, self._limit_s):
            return progress
        if running and running.is_ours and running.status != "Cancelling":
            return replace(progress, refresh_id=running.refresh_id)
        if running:
            raise RolloutFailedError(
                f"Instance refresh {running.refresh_id}, which this deployment did not start, is {running.status}. "
                "Wait for its end, or cancel it, and deploy again."
            )
        if not state.old:
            if state.old_newcomers and self._is_late(progress, self._limit_s):
                raise RolloutFailedError(
                    f"Still launching from an older launch template: {', '.join(sorted(state.old_newcomers))}."
                )
            # What leaves is a member until it has left; the next change would be measured by it.
            if state.old_newcomers or (state.leaving and not self._is_late(progress, self._limit_s)):
                return progress
            if state.protected:
                self._group.protect(state.protected, yes=False)
            return None
        trouble = self._health()
        if not trouble:
            # A refresh that is stopped leaves the group with one too many, and the group would take the oldest.
            self._group.protect(state.old, yes=True)
            return replace(progress, refresh_id=self._group.start_refresh(state.desired))
        if self._is_late(progress, HEALTH_WAIT_S):
            raise RolloutFailedError(
                f"Not begun, for the cluster is not healthy: {trouble}. No instance was touched. "
                "Bring it back first (docs/runbook.md), then deploy again."
            )
        return progress

    def _watch(self, progress: Progress, state: GroupState, refresh: Refresh) -> Progress:
        # AWS remembers six weeks of failed launches; until it says when the refresh began none is known to be of it.
        failed = self._group.failed_launches(refresh.started_at) if refresh.started_at else ()
        given_up = progress.given_up(state)
        if failed:
            reason = f"An instance with the new settings did not become a member: {failed[0]}."
        elif given_up:
            reason = f"An instance with the new settings did not become a member: {given_up[0]} is terminated."
        elif self._is_late(progress, self._limit_s):
            reason = f"Not everything was replaced within {self._limit_s / 60:g} minutes (etcd:rollout_timeout_min)."
        else:
            return progress
        self._group.cancel_refresh()
        return replace(progress, failing=reason, failing_since=self._clock.now())

    def _wait_for_the_end(self, progress: Progress, state: GroupState) -> Progress:
        """What was begun goes to its end first: the stack then goes back with nothing of the new version under way."""
        is_over = not state.active_refresh and not state.newcomers
        if is_over and state.protected:
            self._group.protect(state.protected, yes=False)
        if is_over or self._clock.now() - progress.failing_since > END_WAIT_S:
            raise RolloutFailedError(f"{progress.failing}{_left(state)}")
        return progress

    def _is_late(self, progress: Progress, limit_s: float) -> bool:
        return self._clock.now() - progress.began_at > limit_s


def _left(state: GroupState) -> str:
    """What a person wants to know next."""
    return (
        f" Untouched: {', '.join(sorted(state.old)) or 'none'}; already replaced: "
        f"{', '.join(sorted(state.in_service)) or 'none'}. What the controller found is in its log (docs/runbook.md)."
    )
