"""One seed on a running lab: a new cluster forms, bears its faults, settles, and is judged."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lab.kv import Kv
from lab.paths import LabError, etcd_version
from lab.torture import checker
from lab.torture.clients import PREFIX, Clients
from lab.torture.history import FinalState, History, Read, Seen, Write
from lab.torture.inject import Applied, Injector
from lab.torture.roster import Roster
from lab.torture.schedule import PHASE_S, Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab import Lab

_EMPTY_S: Final = 240.0
_FORM_S: Final = 240.0
SETTLE_S: Final = 120.0
_REFUSES_S: Final = 15.0  # with the majority lost: how long it is watched
_REFUSAL: Final = ["QUORUM_LOST"]
_TICK_S: Final = 2.0
_LOOK_S: Final = 0.3


@dataclass
class Result:
    """What one seed came to.

    Attributes:
        etcd: its version.
        applied: each fault with its targets, and why it could not be done if so.
        problems: what is wrong; nothing if it passed.
        replaced: instances that were launched after the first ones.
        lost: acknowledged writes that are not there.
        cut_runs: runs of the controller that its timeout ended.
        load: the machine's load average when it ended.
    """

    seed: int
    size: int
    etcd: str = ""
    applied: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    settled_s: float = 0.0
    writes: int = 0
    failures: int = 0
    reads: int = 0
    lost: int = 0
    longest_gap_s: float = 0.0
    replaced: int = 0
    cut_runs: int = 0
    load: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


class Trial:
    """One seed.

    Args:
        lab: a lab with its stack deployed; its group may have any size.
        schedule: what is done.
    """

    def __init__(self, lab: Lab, schedule: Schedule) -> None:
        self._lab = lab
        self._schedule = schedule
        self.result = Result(schedule.seed, schedule.size, etcd_version(Path(lab.state.etcd)))
        self.history = History()
        self.roster: Roster | None = None
        self.log: list[str] = []

    def run(self) -> Result:
        """Do it; whatever is wrong is in the result."""
        began = time.monotonic()
        try:
            with _beside(self._tick_until):
                self._run()
        except Exception as error:  # noqa: BLE001  # a seed that could not be judged has failed, and the next one is run
            self.result.problems.append(f"{type(error).__name__}: {error}")
        finally:
            if self.roster is not None:
                self.roster.stop()
        result, history = self.result, self.history
        result.seconds = round(time.monotonic() - began, 1)
        result.writes, result.failures, result.reads = len(history.writes), history.failures, len(history.reads)
        result.cut_runs, result.load = checker.cut_runs(self.log), round(os.getloadavg()[0], 1)
        result.longest_gap_s = round(history.longest_gap_s(), 2)
        if self.roster is not None:
            result.replaced = len(self.roster.all()) - max(self._schedule.size, self._schedule.desired)
        return result

    # -- inside -------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        schedule, lab = self._schedule, self._lab
        self._empty()
        newest = lab.transitions()
        epoch_ms = int(time.time() * 1000)
        roster = self.roster = Roster(lab, newest[-1]["seq"] if newest else 0)
        injector = Injector(lab, roster)
        clients = Clients(roster.urls)
        self.history = clients.history
        try:
            began = time.monotonic()
            at_once = [each for each in schedule.faults if schedule.from_formation and each.at_s == 0]
            for fault in at_once:
                injector.apply(fault, 0.0)
            self._desire(schedule.size)
            if not schedule.from_formation:
                lab.wait_for(lambda: self._stands(schedule.size), _FORM_S, "the cluster to form")
                began = time.monotonic()
            with _beside(lambda ended: self._serve_until(ended, clients)):
                rest = [each for each in schedule.faults if each not in at_once]
                injector.play(rest, began=began, lasts_s=PHASE_S)
                lost_at = next((each.at for each in injector.done if each.fault.ranks and schedule.loses_majority), 0.0)
                injector.undo_all()
                undone = time.monotonic()
                if schedule.loses_majority:
                    self._watch_the_refusal(injector, lost_at, epoch_ms)
                else:
                    self._settle(schedule.desired)
                self.result.settled_s = round(time.monotonic() - undone, 1)
            if not schedule.loses_majority:
                self._judge(epoch_ms)
        finally:
            self.result.applied = [_told(each) for each in injector.done]
            injector.undo_all()
            with contextlib.suppress(Exception):  # only for the reader of a failed seed
                self.log = lab.function_log(since_ms=epoch_ms)

    def _empty(self) -> None:
        """Bring the last generation down."""
        self._desire(0)
        self._lab.wait_for(lambda: not self._lab.instances(), _EMPTY_S, "the last seed's instances to be gone")

    def _desire(self, count: int) -> None:
        lab = self._lab
        lab.autoscaling.set_desired_capacity(AutoScalingGroupName=lab.state.cluster, DesiredCapacity=count)

    def _tick_until(self, ended: threading.Event) -> None:
        """Send a scheduled event every two seconds, where AWS sends one a minute."""
        while not ended.wait(_TICK_S):
            with contextlib.suppress(Exception):  # the next one comes soon
                self._lab.tick()

    def _serve_until(self, ended: threading.Event, clients: Clients) -> None:
        """Have clients begin with the first instance in service: before that nothing is promised to them."""
        while not ended.is_set():
            if self.roster is not None and self.roster.serves.wait(_LOOK_S):
                with clients:
                    ended.wait()
                return

    def _stands(self, count: int) -> bool:
        """Whether so many instances serve, exactly those vote, and the record says so."""
        states = self._lab.instances()
        if list(states.values()) != ["InService"] * count:
            return False
        with contextlib.suppress(LabError):
            members = self._lab.etcdctl.members()
            names = {str(each.get("name", "")) for each in members if not each.get("isLearner")}
            recorded = {each["instance"] for each in (self._lab.record() or {}).get("members", [])}
            return len(members) == count and names == set(states) == recorded
        return False

    def _settle(self, count: int) -> None:
        """Wait until all stands, an instance refresh is over, and the controller finds nothing left to do.

        Raises:
            LabError: not in time (INV-8); the message says how things stand.
        """
        lab, deadline = self._lab, time.monotonic() + SETTLE_S + self._schedule.ahead_s

        def left() -> float:
            return max(0.0, deadline - time.monotonic())

        def steady() -> bool:
            time.sleep(_LOOK_S)
            return self._stands(count) and self._refresh_is_over()

        while True:
            lab.wait_for(steady, left(), f"{count} voters, all InService, recorded (INV-8)")
            since_ms = int(time.time() * 1000)
            lab.tick()
            with contextlib.suppress(LabError):
                lab.wait_for(lambda since=since_ms: self._says_settled(since), min(left(), 20.0), "a settled run")  # type: ignore[misc]
                if steady():
                    return
            if not left():
                reasons = checker.decisions(lab.function_log(since_ms=since_ms - 10_000))[-5:]
                raise LabError(f"the controller does not settle (INV-8), it last said {reasons}")

    def _refresh_is_over(self) -> bool:
        name = self._lab.state.cluster
        found = self._lab.autoscaling.describe_instance_refreshes(AutoScalingGroupName=name)["InstanceRefreshes"]
        return all(each["Status"] not in {"Pending", "InProgress", "Cancelling"} for each in found)

    def _says_settled(self, since_ms: int) -> bool:
        time.sleep(_LOOK_S)
        return any(
            '"message":"run"' in line and '"Settled"' in line for line in self._lab.function_log(since_ms=since_ms)
        )

    def _judge(self, epoch_ms: int) -> None:
        lab, desired, history = self._lab, self._schedule.desired, self.history
        etcdctl = lab.etcdctl
        with Kv() as kv:
            kept = kv.get_prefix(lab.client_urls(), PREFIX)
        final = FinalState(
            desired=desired,
            instances=lab.instances(),
            members=etcdctl.members(),
            record=lab.record(),
            hashes=etcdctl.hashes(),
            kept=kept,
        )
        self.log = lab.function_log(since_ms=epoch_ms)
        self.result.lost = len(checker.lost_writes(history.writes, kept, shown=None))
        self.result.problems += checker.judge(history, final, etcd_logs=self.etcd_logs(), function_log=self.log)
        if not history.writes:
            self.result.problems.append("no write was acknowledged: nothing was tried")

    def _watch_the_refusal(self, injector: Injector, lost_at: float, epoch_ms: int) -> None:
        """With the majority's disks gone nothing may be formed, removed, let in or let go; the survivor stays."""
        lab, problems = self._lab, self.result.problems
        lost = {target for each in injector.done if each.fault.ranks for target in each.targets}
        if not lost:
            raise LabError(f"the majority could not be destroyed: {injector.done[-1].problem}")
        survivors = {each for each in self.roster.in_service() if each not in lost} if self.roster else set()
        before = lab.record()
        with contextlib.suppress(LabError):  # judged below; after a killed run its message is hidden for a while
            lab.wait_for(lambda: self._refuses(epoch_ms), SETTLE_S, "a refusal")
        time.sleep(_REFUSES_S)
        self.log = lab.function_log(since_ms=epoch_ms)
        after = lab.record()
        said = checker.decisions(self.log)
        if said[-1:] != _REFUSAL:
            problems.append(f"the controller did not refuse: {said[-5:]}")
        if (before or {}).get("members") != (after or {}).get("members") or (after or {}).get("state") != "existing":
            problems.append(f"the record changed: {before} to {after}")
        states = lab.instances()
        if not survivors or any(states.get(each) != "InService" for each in survivors):
            problems.append(f"the survivors {survivors} do not stay: {states}")
        problems += checker.let_go_without_quorum(self.roster.journal if self.roster else [], lost_at)
        problems += checker.alarming_lines(self.log)
        problems += checker.foreign_clusters(each.cluster_id for each in self.history.seen)
        problems += checker.two_leaders(self.etcd_logs())

    def _refuses(self, since_ms: int) -> bool:
        time.sleep(_LOOK_S)
        return checker.decisions(self._lab.function_log(since_ms=since_ms))[-1:] == _REFUSAL

    def etcd_logs(self) -> list[str]:
        """What the etcds of this seed logged."""
        paths = [self._lab.folder(each) / "etcd.log" for each in (self.roster.all() if self.roster else [])]
        return [path.read_text(encoding="utf-8", errors="replace") for path in paths if path.exists()]

    def evidence(self) -> dict[str, str]:
        """What is kept of a failed seed beside the lab's own logs, by file name."""
        history: list[Write | Read | Seen] = [*self.history.writes, *self.history.reads, *self.history.seen]
        journal = self.roster.journal if self.roster else []
        return {
            "schedule.txt": str(self._schedule),
            "result.json": json.dumps(asdict(self.result), indent=1),
            "function.log": "\n".join(self.log),
            "journal.jsonl": "\n".join(map(json.dumps, journal)),
            "history.jsonl": "\n".join(json.dumps({type(each).__name__: asdict(each)}) for each in history),
        }


@contextlib.contextmanager
def _beside(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Have a thread work until the ``with`` block ends, which it is told by the event."""
    ended = threading.Event()
    thread = threading.Thread(target=work, args=(ended,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _told(applied: Applied) -> dict[str, Any]:
    return {
        "kind": applied.fault.kind.value,
        "fault": str(applied.fault),
        "at": round(applied.at, 2),
        "targets": applied.targets,
        "problem": applied.problem,
    }
