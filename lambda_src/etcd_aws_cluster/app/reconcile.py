"""One run: look, decide, act on one thing, look again; until nothing is left to do or the time is nearly up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import NamedTuple

from ..core.actions import Act, Decision, Look, Refuse, Settled, Wait
from ..core.certificates import CertificateEnds
from ..core.errors import AwsError, GroupGoneError
from ..core.invariants import check
from ..core.model import Reading
from ..core.planner import plan
from ..core.policy import Policy
from ..core.ports import Clock, InstanceGroup, MembershipApi, RecordStore
from ..core.record import Record
from ..core.telemetry import Metric, Telemetry
from ..core.view import View
from .chores import Chore, do_chores
from .execute import MOST_TRIES, ActionExecutor, Outcome
from .measure import DEFAULT_QUOTA_BYTES, NO_CERTIFICATES, measure
from .observe import Observer

_MOST_MEMBERS_ASKED_AT_ONCE = 32
_AFTER_A_REFUSAL = timedelta(milliseconds=250)
_SHORTEST = timedelta(milliseconds=20)
_PART_OF_THE_WAIT = 16


class Pace(NamedTuple):
    """How often to look, and when to stop.

    Attributes:
        etcd: The longest pause between two looks at etcd while something is expected of it; at first, and for what
            comes soon, it is less.
        aws: A look at the group or the record is good for that long; also the pause after an AWS call that failed.
        reserve: Time left for the function's end: heartbeats, metrics, and a call that hangs.
    """

    etcd: timedelta = timedelta(milliseconds=100)
    aws: timedelta = timedelta(seconds=2)
    reserve: timedelta = timedelta(seconds=10)

    def after(self, waited_s: float) -> timedelta:
        """Return the pause before the next look at etcd: what is seen late is late by a small part of the wait."""
        return min(max(timedelta(seconds=waited_s) / _PART_OF_THE_WAIT, _SHORTEST), self.etcd)


class RunReport(NamedTuple):
    """How a run ended."""

    decision: str
    reason: str
    detail: str
    steps: int


class Reconciler:
    """Brings one cluster closer to what its group wants.

    Args:
        chores: Done at each look at AWS, and again at the end of a run.
        errands: Done at each look, and while a look lasts; each knows by itself when it is time.
        quota_bytes: Of etcd's database, for members that do not tell theirs.
        certificates: Tells, at the end of a run, when the controller's own end.
    """

    def __init__(
        self,
        *,
        members: MembershipApi,
        group: InstanceGroup,
        store: RecordStore,
        clock: Clock,
        policy: Policy,
        telemetry: Telemetry,
        pace: Pace | None = None,
        chores: Sequence[Chore] = (),
        errands: Sequence[Chore] = (),
        quota_bytes: int = DEFAULT_QUOTA_BYTES,
        certificates: Callable[[], CertificateEnds] = lambda: NO_CERTIFICATES,
    ) -> None:
        self._members = members
        self._group = group
        self._store = store
        self._clock = clock
        self._policy = policy
        self._telemetry = telemetry
        self._pace = pace or Pace()
        self._chores = chores
        self._errands = errands
        self._quota_bytes = quota_bytes
        self._certificates = certificates

    def run(self, time_left: Callable[[], float]) -> RunReport:
        """Work until nothing is left to do, or ``time_left()`` (seconds) is down to the reserve.

        Raises:
            GroupGoneError: There is nothing to look after.
            AwsError: The group or the record could not be read or written, several times in a row or with no time left
                for another try; the next tick looks again.
            RecordError: A claim, an outcome or the stored record cannot be understood.
            InvariantViolationError: A decision would have broken a safety rule; it was not carried out.
        """
        with ThreadPoolExecutor(max_workers=_MOST_MEMBERS_ASKED_AT_ONCE) as pool:
            observer = Observer(
                members=self._members,
                group=self._group,
                store=self._store,
                clock=self._clock,
                policy=self._policy,
                aws_max_age=self._pace.aws,
                executor=pool,
            )
            executor = ActionExecutor(
                members=self._members,
                group=self._group,
                store=self._store,
                telemetry=self._telemetry,
                observer=observer,
            )
            return self._loop(observer, executor, time_left)

    def _loop(self, observer: Observer, executor: ActionExecutor, time_left: Callable[[], float]) -> RunReport:
        said: Decision | None = None
        since = self._clock.monotonic()  # when what is waited for began to be
        steps = failures = 0
        while True:
            began = self._clock.monotonic()
            try:
                view = observer.look(self._run_errands)
                self._run_errands(view)
                if observer.is_fresh:
                    do_chores(self._chores, view, self._telemetry)
                decision = plan(view, self._policy)
                if said is None or decision.reason is not said.reason:
                    since = self._clock.monotonic()
                if decision != said:
                    self._say(view, decision)
                    said = decision
                steps += 1
                pause = self._carry_out(executor, view, decision, self._pace.after(self._clock.monotonic() - since))
            except GroupGoneError:
                raise
            except AwsError as error:
                failures += 1
                if failures == MOST_TRIES or not self._has_time_for_another(began, time_left):
                    raise
                self._telemetry.trouble("AWS call failed, looking again", error)
                self._telemetry.count(Metric.RECONCILE_ERRORS)
                self._clock.sleep(self._pace.aws.total_seconds())  # after that the next look is at AWS too (INV-6)
                continue
            failures = 0
            if pause is None and observer.memory.failed:
                pause = self._pace.aws
            if pause is None or time_left() <= (self._pace.reserve + pause).total_seconds():
                self._measure(view, decision, observer.memory.longest_wait_s)
                return self._end(view, decision, steps, time_left)
            self._clock.sleep(pause.total_seconds())

    def _run_errands(self, view: View) -> None:
        do_chores(self._errands, view, self._telemetry)

    def _has_time_for_another(self, began: float, time_left: Callable[[], float]) -> bool:
        """Whether a try that takes as long as the failed one did would end before the reserve."""
        taken = self._clock.monotonic() - began
        return time_left() > (self._pace.reserve + self._pace.aws).total_seconds() + taken

    def _carry_out(self, executor: ActionExecutor, view: View, decision: Decision, soon: timedelta) -> timedelta | None:
        """Act if there is something to do. Returns how long to wait before the next look; None ends the run."""
        match decision:
            case Act(action=action):
                check(view, action)
                match executor.execute(view, action):
                    case Outcome.DONE:
                        return timedelta(0)
                    case Outcome.NOT_YET:
                        return soon
                    case Outcome.REFUSED:
                        return _AFTER_A_REFUSAL
            case Wait(look=Look.SOON) | Refuse(look=Look.SOON):
                return soon
            case Wait() | Refuse() | Settled():
                return None

    def _say(self, view: View, decision: Decision) -> None:
        self._telemetry.decision(
            type(decision).__name__,
            decision.reason.name,
            decision.detail,
            **({"action": type(decision.action).__name__} if isinstance(decision, Act) else {}),
            record=_in_short(view.stored.record),
            desired=view.group.desired,
            instances={i.instance_id: i.lifecycle_raw for i in view.group.instances},
            members={r.endpoint: _who(r) for r in view.answering()},
            problems={r.endpoint: r.problem for r in view.readings if r.problem},
        )

    def _end(self, view: View, decision: Decision, steps: int, time_left: Callable[[], float]) -> RunReport:
        self._keep_alive(decision, time_left)
        if time_left() > self._pace.reserve.total_seconds():
            do_chores(self._chores, view, self._telemetry)
        return RunReport(
            decision=type(decision).__name__, reason=decision.reason.name, detail=decision.detail, steps=steps
        )

    def _keep_alive(self, decision: Decision, time_left: Callable[[], float]) -> None:
        """Record heartbeats; where one hangs, the rest are left to the next run, so that this one ends in time."""
        for instance_id, transition in decision.keep_alive if isinstance(decision, Wait | Refuse) else ():
            began = self._clock.monotonic()
            try:
                self._group.heartbeat(instance_id, transition)
            except AwsError as error:
                self._telemetry.trouble("heartbeat not recorded", error)
                self._telemetry.count(Metric.RECONCILE_ERRORS)
                if time_left() <= self._clock.monotonic() - began:
                    return

    def _measure(self, view: View, decision: Decision, waited_s: float) -> None:
        measures = measure(
            view, decision, quota_bytes=self._quota_bytes, certificates=self._certificates(), waited_s=waited_s
        )
        for name, value in measures.items():
            self._telemetry.gauge(name, value)


def _in_short(record: Record | None) -> str:
    return f"{record.state}, generation {record.generation}" if record else "none"


def _who(reading: Reading) -> str:
    """Return which member answered, and as what: all that a later look at the log has of the member list."""
    leads = reading.member_id is not None and reading.leader_id == reading.member_id
    told = {"leads": leads, "learner": reading.is_learner, "serves": reading.is_linearizable}
    roles = ", ".join(role for role, is_so in told.items() if is_so) or "does not serve"
    return f"{reading.member_id or 0:x} of {reading.cluster_id or 0:x}: {roles}"
