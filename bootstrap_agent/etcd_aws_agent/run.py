"""The loop: read the record, look at the disk, decide; wait and do it again, or act once."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple, Protocol

from etcd_aws_agent import backoff, disk, render
from etcd_aws_agent.clock import Clock
from etcd_aws_agent.errors import AgentError, ExitCode, ReadError, RecordError, ThrottledError
from etcd_aws_agent.identity import Identity
from etcd_aws_agent.plan import Absent, Action, Decision, Reading, Unreadable, plan_member, plan_proxy
from etcd_aws_agent.record import Record, parse_record
from etcd_aws_agent.settings import Settings, parameter_of


class Parameters(Protocol):
    """Where records are read."""

    def newest(self, name: str) -> tuple[str, int] | None:
        """Return a parameter's value and version, or None; raises ReadError."""


class Groups(Protocol):
    """Where a group is found by its Name tag."""

    def group_named(self, tag_value: str) -> str:
        """Return the group's name; raises ReadError or GroupLookupError."""


class Look(NamedTuple):
    """One look at the record and the disk, and what follows from it."""

    reading: Reading
    decision: Decision
    text: str | None


class Agent:
    """Follows one record for one instance.

    Attributes:
        settings: what the agent was told.
        identity: who this instance is.
        log: takes an event and its fields; one line each.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        identity: Identity,
        parameters: Parameters,
        groups: Groups,
        clock: Clock,
        log: Callable[..., None],
    ) -> None:
        self.settings = settings
        self.identity = identity
        self.log = log
        self._parameters = parameters
        self._groups = groups
        self._clock = clock
        self._cluster_name = settings.cluster_name
        self._began = clock.monotonic()
        self._unanswered_since: float | None = None
        self._failures = 0
        self._is_throttled = False
        self._is_of_many = False
        self._looks = 0

    def run(self) -> ExitCode:
        """Wait until there is something to decide on, act, and return the exit code.

        Raises:
            GroupLookupError: the tag names no group, or several.
            OSError: the disk cannot be read or written.
        """
        said = ""
        while True:
            look = self.look()
            if look.decision.action is not Action.WAIT:
                return self._act(look)
            left_s = self._left_s()
            if left_s <= 0:
                self.log("gave up", reason=look.decision.reason, exit=int(look.decision.exit_code))
                return look.decision.exit_code
            if look.decision.reason != said:
                said = look.decision.reason
                self.log("waiting", reason=said)
            self._clock.sleep(min(self._delay_s(), left_s))

    def watch(self, interval_s: float) -> None:
        """Refresh the file for ever, about every `interval_s` seconds; after any trouble the last good file stays."""
        self.log("watching", every_s=f"{interval_s:g}")
        while True:
            # Spread out: many proxies were started by the same event.
            self._clock.sleep(interval_s * random.uniform(0.5, 1.5))  # noqa: S311
            try:
                self._cluster_name = self.settings.cluster_name
                look = self.look()
                if look.decision.action is Action.WRITE:
                    self._act(look)
                else:
                    self.log("kept", reason=look.decision.reason)
            except (AgentError, OSError) as error:
                self.log("kept", reason=str(error))

    def look(self) -> Look:
        """Read the record, then the disk, and decide; changes nothing."""
        reading = self._read()
        self._looks += 1
        local = disk.look(self.settings.data_dir, self.settings.peers_file, self.identity)
        if self.settings.is_proxy:
            decision = plan_proxy(reading, has_own_file=local.has_own_file)
        else:
            decision = plan_member(reading, self.identity, local)
        text = self._render(reading, decision) if decision.action is Action.WRITE else None
        return Look(reading, decision, text)

    def _read(self) -> Reading:
        try:
            if self._cluster_name is None:
                self._cluster_name = self._groups.group_named(self.settings.group_tag or "")
            parameter = parameter_of(self._cluster_name)
            found = self._parameters.newest(parameter)
            reading: Reading = parse_record(found[0], parameter=parameter, version=found[1]) if found else Absent()
        except RecordError as error:
            reading = error
        except ReadError as error:
            now = self._clock.monotonic()
            self._failures += 1
            self._is_throttled = isinstance(error, ThrottledError)
            self._is_of_many |= self._is_throttled
            if self._unanswered_since is None:
                self._unanswered_since = now
            return Unreadable(str(error), for_s=now - self._unanswered_since)
        self._failures = 0
        self._is_throttled = False
        self._unanswered_since = None
        return reading

    def _render(self, reading: Reading, decision: Decision) -> str | None:
        if not isinstance(reading, Record):
            return None
        if self.settings.is_proxy:
            return render.proxy_file(reading, self.identity, self.settings)
        own = reading.entry_of(self.identity.instance_id)
        if own is None:
            return None
        return render.member_file(reading, own, decision.state, self.identity, self.settings)

    def _act(self, look: Look) -> ExitCode:
        decision = look.decision
        fields: dict[str, object] = {"instance": self.identity.instance_id, "cluster": self._cluster_name}
        if decision.action is Action.WRITE and look.text is not None:
            if decision.moves_data_aside:
                fields["moved_to"] = disk.move_data_aside(self.settings.data_dir)
            if decision.marker is not None:
                disk.write_marker(self.settings.data_dir, decision.marker)
            changed = disk.write_if_changed(self.settings.peers_file, look.text)
            fields.update(state=decision.state, file=self.settings.peers_file, changed=str(changed).lower())
        waited_s = self._clock.monotonic() - self._began
        self.log(
            decision.action.value,
            reason=decision.reason,
            **fields,
            waited_s=f"{waited_s:.1f}",
            exit=int(decision.exit_code),
        )
        return decision.exit_code

    def _left_s(self) -> float:
        if self.settings.deadline_s is None:
            return float("inf")
        return self._began + self.settings.deadline_s - self._clock.monotonic()

    def _delay_s(self) -> float:
        fraction = random.random()  # noqa: S311 - jitter
        if self.settings.is_proxy and (self._is_throttled or not self._failures):
            return backoff.between_looks_of_proxy(
                self._looks, fraction, is_throttled=self._is_throttled, is_of_many=self._is_of_many
            )
        if self._failures:
            return backoff.after_failures(self._failures, fraction)
        return backoff.between_looks_of_member(self._clock.monotonic() - self._began, fraction)
