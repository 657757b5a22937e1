"""Does a schedule's faults to a lab, and undoes them."""

from __future__ import annotations

import contextlib
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from lab.control import ControlError
from lab.paths import LabError
from lab.torture.faults import Fault, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lab import Lab
    from lab.torture.roster import Roster

_LOOK_S: Final = 0.1
_ERRORS: Final = (LabError, ControlError, ClientError, BotoCoreError, OSError)


@dataclass
class Applied:
    """What became of a fault.

    Attributes:
        at: when it was done (monotonic seconds).
        targets: to which instances.
        problem: why it could not be done; empty if it was.
    """

    fault: Fault
    at: float
    targets: list[str] = field(default_factory=list)
    problem: str = ""


class Injector:
    """Plays one schedule.

    Args:
        lab: the lab.
        roster: its instances.
    """

    def __init__(self, lab: Lab, roster: Roster) -> None:
        self._lab = lab
        self._roster = roster
        self._undo: list[tuple[float, Callable[[], None]]] = []
        self._cuts: dict[int, Callable[[], set[tuple[str, str]]]] = {}
        self._cut_now: set[tuple[str, str]] = set()
        self.done: list[Applied] = []

    def play(self, faults: Iterable[Fault], *, began: float, lasts_s: float) -> None:
        """Do each fault at its time, and undo it at its time, for so long.

        Args:
            faults: in order of their time.
            began: when the fault phase began (monotonic seconds).
            lasts_s: how long it lasts at least.
        """
        waiting = list(faults)
        while waiting or self._undo or time.monotonic() < began + lasts_s:
            now = time.monotonic() - began
            for when, undo in [each for each in self._undo if each[0] <= now]:
                self._undo.remove((when, undo))
                with contextlib.suppress(*_ERRORS):  # its target may be gone
                    undo()
            while waiting and waiting[0].at_s <= now:
                self.apply(waiting.pop(0), now)
            self._cut()
            time.sleep(_LOOK_S)

    def apply(self, fault: Fault, now_s: float) -> None:
        """Do one fault; what cannot be done is written down."""
        applied = Applied(fault, time.monotonic())
        self.done.append(applied)
        try:
            targets = self._targets(fault)
            undo = self._do(fault, targets, applied)
        except _ERRORS as error:
            applied.problem = str(error) or type(error).__name__
            return
        if undo and fault.lasts_s:
            self._undo.append((now_s + fault.lasts_s, undo))

    def undo_all(self) -> None:
        """Undo whatever is left: nothing frozen, cut, full, stepped, failing or late any more.

        Raises:
            LabError: something could not be undone.
        """
        self._undo.clear()
        self._cuts.clear()
        self._cut()
        self._lab.control.tell("/faults/clear")
        self._lab.control.tell("/events")
        self._lab.control.tell("/boot")
        if self._lab.can_step_clock:
            self._lab.step_clock(0)
        full = {target for each in self.done if each.fault.kind is Kind.DISK_FULL for target in each.targets}
        for each in self._roster.all():
            with contextlib.suppress(*_ERRORS):
                self._lab.signal_etcd(each, signal.SIGCONT)
            if each in full:
                with contextlib.suppress(*_ERRORS):
                    self._lab.free_disk(each)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _targets(self, fault: Fault) -> list[str]:
        present = self._roster.present()
        missing = [rank for rank in fault.ranks if rank >= len(present)]
        if missing:
            raise LabError(f"no instance #{missing[0]}: there are {len(present)}")
        return [present[rank] for rank in fault.ranks]

    def _do(self, fault: Fault, targets: list[str], applied: Applied) -> Callable[[], None] | None:  # noqa: C901, PLR0912  # one case a kind
        lab, tell = self._lab, self._lab.control.tell
        applied.targets = targets
        match fault.kind:
            case Kind.ETCD_KILLED | Kind.TWO_ETCDS_KILLED:
                self._signal(targets, signal.SIGKILL)
            case Kind.ETCD_FROZEN | Kind.TWO_ETCDS_FROZEN:
                self._signal(targets, signal.SIGSTOP)
                return lambda: self._signal(targets, signal.SIGCONT)
            case Kind.MEMBER_ISOLATED | Kind.NETWORK_SPLIT:
                return self._add_cut(lambda: self._around(targets))
            case Kind.LINK_CUT:
                return self._add_cut(lambda: {(targets[0], targets[1])})
            case Kind.DISK_FULL:
                lab.fill_disk(targets[0])
                return lambda: lab.free_disk(targets[0])
            case Kind.HOST_LOST | Kind.TWO_HOSTS_LOST | Kind.MAJORITY_LOST:
                for each in targets:
                    self._roster.lost(each)
                    lab.kill(each, ec2=fault.what)
            case Kind.HOST_NEVER_STARTS:
                lab.boot_never(fault.count)
            case Kind.CONTROLLER_KILLED:
                if not lab.kill_function(after_calls=fault.count, after_effect=fault.after) and not fault.count:
                    applied.problem = "no run was under way"
            case Kind.AWS_REFUSES | Kind.AWS_DELAYS | Kind.AWS_REPLY_LOST:
                tell("/faults", **_aws_fault(fault))
            case Kind.EVENTS_LOST:
                tell("/events", drop=fault.count)
            case Kind.EVENTS_DOUBLED:
                tell("/events", duplicate=fault.count)
            case Kind.CLOCK_STEPPED:
                lab.step_clock(fault.seconds)
                return lambda: lab.step_clock(0)
            case Kind.REFRESHED:
                lab.refresh()
            case Kind.SCALED:
                lab.autoscaling.set_desired_capacity(
                    AutoScalingGroupName=lab.state.cluster, DesiredCapacity=fault.count
                )
            case Kind.TERMINATED:
                lab.autoscaling.terminate_instance_in_auto_scaling_group(
                    InstanceId=targets[0], ShouldDecrementDesiredCapacity=False
                )
        return None

    def _signal(self, targets: list[str], number: signal.Signals) -> None:
        for each in targets:
            self._lab.signal_etcd(each, number)

    def _around(self, targets: list[str]) -> set[tuple[str, str]]:
        """The links between these and all others."""
        others = [each for each in self._roster.present() if each not in targets]
        return {pair for one in targets for other in others for pair in ((one, other), (other, one))}

    def _add_cut(self, pairs: Callable[[], set[tuple[str, str]]]) -> Callable[[], None]:
        key = len(self.done)
        self._cuts[key] = pairs
        self._cut(loudly=True)

        def heal() -> None:
            self._cuts.pop(key, None)

        return heal  # the next look tells the lab

    def _cut(self, *, loudly: bool = False) -> None:
        """Tell the lab what is cut now: instances come and go meanwhile."""
        wanted = {pair for pairs in self._cuts.values() for pair in pairs()}
        if wanted == self._cut_now:
            return
        try:
            self._lab.cut_links(wanted)
        except LabError:
            if loudly:
                raise
            return
        self._cut_now = wanted


def _aws_fault(fault: Fault) -> dict[str, object]:
    return {
        "action": fault.what,
        "count": fault.count,
        "code": fault.code,
        "status": 500 if fault.code == "InternalFailure" else 400,
        "after": fault.after,
        "delay_s": fault.seconds,
    }
