"""Our way: the really deployed stack in a lab, measured by the lab's journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks import timeline
from benchmarks.writes import Gaps, Mark, bare_transfer, expect_kept, quiet, watched
from lab import Lab
from lab.paths import LabError
from lab.writer import Writer

SIZE: Final = 3
_BOUND_S: Final = 120.0
# etcd refuses a new member for 5 s after a peer connected, 7 s once (measured); nobody's way can be faster.
ETCD_SETTLES_S: Final = 8.0


@dataclass(frozen=True)
class Run:
    """One run, in seconds.

    Attributes:
        took_s: from the instance's ``Pending:Wait`` to its ``InService``.
        steps: of that, one after the other; none where the logs do not tell.
        since_death_s: for a replacement, from the death of the old member's host.
    """

    took_s: float
    steps: dict[str, float]
    since_death_s: float = 0.0

    def __str__(self) -> str:
        steps = ", ".join(f"{name} {seconds * 1000:.0f}" for name, seconds in self.steps.items())
        return f"{self.took_s:.2f} s ({steps} ms)"


class Ours:
    """Our way.

    Args:
        lab: a started lab with the deployed stack, and three instances in service.
        tells_steps: whether its etcd's log tells when it served, as JSON; 3.4's does not.
    """

    def __init__(self, lab: Lab, *, tells_steps: bool = True) -> None:
        self._lab = lab
        self._tells_steps = tells_steps
        self._urls: list[str] = []

    def empty(self) -> None:
        """Scale to zero, and wait until no etcd of the group runs any more and the function is done with it."""
        asked = time.time()
        self._lab.scale(0)
        self._lab.wait_in_service(0, _BOUND_S)
        # A host takes up to 2 s to shut down after the lab called it terminated and gave its address free.
        self._lab.wait_for(self._no_etcd_runs, _BOUND_S, "the last etcd to end")
        self._lab.wait_for(lambda: self._ended_since(asked), _BOUND_S, "the function's run to end")

    def form(self, *, apart_s: Sequence[float] = (), cold: bool = False) -> Run:
        """Scale from zero to three.

        Args:
            apart_s: how long after EC2's ``running`` each host boots; the time is then taken from the last boot.
            cold: have Lambda start the function anew.
        """
        if cold:
            self._have_a_cold_start()
        self._lab.control.tell("/boot", next_s=list(apart_s))
        after = self._lab.newest_transition()
        self._lab.scale(SIZE)
        journal = self._journal(after, lambda seen: _count(seen, "InService") == SIZE)
        began = timeline.moment(journal, "booted" if apart_s else "Pending:Wait")["at"]
        ended = timeline.moment(journal, "InService")
        log = self._log_until(ended["epoch"], since=journal[0]["epoch"])
        steps = {}
        if self._tells_steps:
            serves = max(self._serves_at(each["instance"]) for each in journal if each["to"] == "InService")
            steps = timeline.formation(journal, log, etcd_serves=serves)
        return Run(ended["at"] - began, steps)

    def replace(self, *, leader: bool) -> Run:
        """Kill the leader's host or a follower's, and have it replaced."""
        leading = self._lab.etcdctl.leader()
        victim = min(each["name"] for each in self._lab.etcdctl.members() if (each["ID"] == leading) is leader)
        after = self._lab.newest_transition()
        died = time.time()
        self._lab.kill(victim)
        journal = self._journal(after, lambda seen: _count(seen, "InService") == 1)
        ended = timeline.moment(journal, "InService")
        newcomer = ended["instance"]
        self._expect_voter(newcomer)
        log = self._log_until(ended["epoch"], since=journal[0]["epoch"])
        steps = {}
        if self._tells_steps:
            steps = timeline.replacement(journal, log, instance=newcomer, etcd_serves=self._serves_at(newcomer))
        self._lab.wait_in_service(SIZE, _BOUND_S)
        began = timeline.moment(journal, "Pending:Wait", instance=newcomer)["at"]
        return Run(ended["at"] - began, steps, since_death_s=ended["epoch"] - died)

    def gaps(self, *, bare_transfers: int = 0, refreshes: int = 1) -> Gaps:
        """Write all the time: while nothing happens and over bare leadership transfers, over instance refreshes.

        Args:
            bare_transfers: how many; without any, nothing else is measured besides the refreshes either.
            refreshes: how many.
        """
        self._urls = self._lab.client_urls()
        with Writer(lambda: self._urls, self._lab.tls, pause_s=0.0) as writer:
            time.sleep(1.0)
            still = (quiet(writer),) if bare_transfers else ()
            bare = tuple(bare_transfer(writer, self._urls, self._lab.tls) for _ in range(bare_transfers))
            refreshed = []
            for _ in range(refreshes):
                time.sleep(ETCD_SETTLES_S)
                refreshed.append(watched(writer, self._refresh, self._marks))
        expect_kept(writer)
        return Gaps(still, bare, tuple(refreshed))

    # -- inside ---------------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        before = set(self._lab.instances())
        after = self._lab.newest_transition()
        self._lab.refresh()
        self._journal(after, self._is_refreshed)
        status = self._lab.refresh_status()[0]
        if status != "Successful" or before & set(self._lab.instances()):
            raise LabError(f"the instance refresh ended as {status}")

    def _is_refreshed(self, seen: list[dict[str, Any]]) -> bool:
        """Whether three came and three went. The client learns of who is there as often as somebody comes or goes."""
        self._urls = self._lab.client_urls() or self._urls
        return _count(seen, "InService") == SIZE and _count(seen, "Terminated") == SIZE

    def _marks(self, began: float) -> Sequence[Mark]:
        """What the function decided since then (monotonic seconds)."""
        epoch = time.time() - time.monotonic() + began
        self._lab.wait_for(lambda: self._ended_since(epoch), _BOUND_S, "the function's run to end")
        log = [line for line in timeline.parse_log(self._lab.function_log()) if line.at >= epoch]
        return [Mark(at - epoch, what) for at, what in timeline.decided(log)]

    def _have_a_cold_start(self) -> None:
        functions = self._lab.client("lambda")
        for page in functions.get_paginator("list_functions").paginate():
            for each in page["Functions"]:
                if "Controller" in each["FunctionName"]:
                    told = each["Environment"]["Variables"] | {"COLD_START": str(time.time())}
                    functions.update_function_configuration(
                        FunctionName=each["FunctionName"], Environment={"Variables": told}
                    )

    def _journal(self, after: int, is_over: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Follow the journal, which costs next to nothing, where asking for the group's instances would."""
        seen: list[dict[str, Any]] = []
        deadline = time.monotonic() + _BOUND_S
        while not is_over(seen):
            if time.monotonic() >= deadline:
                raise LabError(f"still not over after {_BOUND_S:g} s; now {self._lab.instances()}")
            newest = seen[-1]["seq"] if seen else after
            cluster = self._lab.state.cluster
            seen += [each for each in self._lab.transitions(after=newest, wait_s=1.0) if each["group"] == cluster]
        return seen

    def _no_etcd_runs(self) -> bool:
        journal = [each for each in self._lab.transitions() if each["group"] == self._lab.state.cluster]
        return _count(journal, "etcd-started") == _count(journal, "etcd-ended")

    def _ended_since(self, at: float) -> bool:
        return any(line.message == "run" and line.at >= at for line in timeline.parse_log(self._lab.function_log()))

    def _log_until(self, at: float, *, since: float) -> list[timeline.Line]:
        """The function's log from a moment on, once the run that did the last thing has ended."""
        self._lab.wait_for(lambda: self._ended_since(at), _BOUND_S, "the function's run to end")
        return [line for line in timeline.parse_log(self._lab.function_log()) if line.at >= since]

    def _serves_at(self, instance_id: str) -> float:
        return timeline.etcd_serves_at((self._lab.folder(instance_id) / "etcd.log").read_text(encoding="utf-8"))

    def _expect_voter(self, name: str) -> None:
        voters = self._lab.etcdctl.voters()
        if name not in voters:
            raise LabError(f"{name} is InService and no voter: {voters}")


def _count(journal: Sequence[dict[str, Any]], to: str) -> int:
    return sum(each["to"] == to for each in journal)
