"""Ports to View: everything that a decision rests on, and what could not be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field, replace
from datetime import timedelta

from ..core.asking import endpoints_to_ask
from ..core.model import Group, InstanceId, Reading, Transition
from ..core.policy import Policy
from ..core.ports import Clock, InstanceGroup, MembershipApi, RecordStore, Stored
from ..core.view import View, owner_of
from .measure import longest_wait

_MEANWHILE_S = 0.1

LifecycleAction = tuple[InstanceId, Transition]


@dataclass(slots=True)
class Memory:
    """What this run has done, and AWS may not show yet.

    Attributes:
        failed: Lifecycle actions that could not be completed and are left alone until AWS has been looked at again.
        failures: How often each could not.
        longest_wait_s: That of a newcomer, of all looks.
    """

    completed: set[LifecycleAction] = field(default_factory=set)
    failed: set[LifecycleAction] = field(default_factory=set)
    failures: Counter[LifecycleAction] = field(default_factory=Counter)
    abandoned: set[InstanceId] = field(default_factory=set)
    transfer_failed: bool = False
    longest_wait_s: float = 0.0


class Observer:
    """Looks at etcd each time, at AWS seldom: promotion follows catching up at once, API quotas are left alone.

    Attributes:
        is_fresh: Whether the last look was at AWS too.
    """

    def __init__(
        self,
        *,
        members: MembershipApi,
        group: InstanceGroup,
        store: RecordStore,
        clock: Clock,
        policy: Policy,
        aws_max_age: timedelta,
        executor: Executor,
    ) -> None:
        self.memory = Memory()
        self.is_fresh = False
        self._members = members
        self._group = group
        self._store = store
        self._clock = clock
        self._policy = policy
        self._aws_max_age = aws_max_age
        self._executor = executor
        self._seen: tuple[Group, Stored] | None = None
        self._seen_at = 0.0
        self._hosts_up: frozenset[InstanceId] = frozenset()
        self._owners: set[InstanceId] = set()

    def look(self, meanwhile: Callable[[View], None] = lambda _: None) -> View:
        """Return what is so now.

        Args:
            meanwhile: Called, again and again, with what is known while members let us wait: an etcd that starts
                answers when it has a quorum, and not before.

        Raises:
            AwsError: The group or the record could not be read. Nothing is decided without them.
        """
        group, stored = self._look_at_aws()
        asked: dict[str, Future[Reading]] = {}
        while more := endpoints_to_ask(self._view(group, stored, asked), self._policy):
            asked |= {each: self._executor.submit(self._members.read, each) for each in more}
            while wait(asked.values(), timeout=_MEANWHILE_S).not_done:
                meanwhile(self._view(group, stored, asked))
        view = self._view(group, stored, asked)
        self._owners |= set(_owners(view))
        self.memory.longest_wait_s = max(self.memory.longest_wait_s, longest_wait(view))
        return view if all(r.supports_learners for r in view.readings) else self._with_hosts(view)

    def note(self, change: Callable[[Stored], Stored]) -> None:
        """Take over what was just written, so that the next look needs no call for it."""
        if self._seen:
            self._seen = (self._seen[0], change(self._seen[1]))

    def look_again_at_aws(self) -> None:
        """Make the next look read AWS anew."""
        self._seen = None

    def _look_at_aws(self) -> tuple[Group, Stored]:
        if self._seen and self._clock.monotonic() - self._seen_at < self._aws_max_age.total_seconds():
            self.is_fresh = False
            return self._seen
        stored = self._store.read()
        recorded = {m.instance for m in stored.record.members if m.instance} if stored.record else set()
        self._seen = (self._group.read(recorded | self._owners), stored)
        self._seen_at = self._clock.monotonic()
        self._hosts_up = frozenset()
        self.memory.failed.clear()
        self.is_fresh = True
        return self._seen

    def _view(self, group: Group, stored: Stored, asked: Mapping[str, Future[Reading]]) -> View:
        readings = {endpoint: future.result() for endpoint, future in asked.items() if future.done()}
        return View(
            observed_at=self._clock.now(),
            group=group,
            stored=stored,
            readings=tuple(readings.values()),
            completed=frozenset(self.memory.completed | self.memory.failed),
            abandoned=frozenset(self.memory.abandoned),
            transfer_failed=self.memory.transfer_failed,
            hosts_up=self._hosts_up,
            asked=frozenset(asked.keys() - readings),
        )

    def _with_hosts(self, view: View) -> View:
        """Ask whether newcomers' hosts are up: only a cluster without learners needs to know."""
        if not self._hosts_up:
            newcomers = (i.instance_id for i in view.waiting(Transition.LAUNCHING))
            self._hosts_up = frozenset(i for i in newcomers if self._group.passes_status_checks(i))
        return replace(view, hosts_up=self._hosts_up)


def _owners(view: View) -> Iterable[InstanceId]:
    """Yield the instances that the answering members are on, so that the next look asks EC2 about them."""
    members = {m for r in view.readings for m in r.members or ()}
    return filter(None, (owner_of(m, view) for m in members))
