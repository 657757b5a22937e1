"""Many clusters in one account, second by second: who calls what, what the quotas let through, what comes of the rest.

What is throttled is tried again as the controller does: botocore once, after up to a second; then the run, from its
first call on, after its pause; after so many looks in vain the run ends, and the next tick is the next try.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from benchmarks.quotas import Rate
from etcd_aws_cluster.app.execute import MOST_TRIES
from etcd_aws_cluster.app.reconcile import Pace
from etcd_aws_cluster.wiring import CLIENT_CONFIG

ATTEMPTS: Final[int] = CLIENT_CONFIG.retries["total_max_attempts"]  # type: ignore[attr-defined]  # unknown to the stubs
RETRY_AFTER_S: Final = 1
LOOK_AGAIN_AFTER_S: Final = int(Pace().aws.total_seconds())
TIMERS_SPREAD_S: Final = 1800
"""RandomizedDelaySec of etcd-certificates.timer."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one cluster asks for.

    Attributes:
        tick: The calls of a settled tick that its decision rests on, in order.
        period_s: Between two ticks.
        chores: Calls that some ticks make after those, and that a run does without.
        chores_every: That many ticks apart.
        hourly: What its hosts' timers call each hour, at any time of the half hour after it.
        refresh: The second and the name of each call of an instance refresh.
    """

    tick: Sequence[str]
    period_s: int
    chores: Sequence[str] = ()
    chores_every: int = 1
    hourly: Sequence[str] = ()
    refresh: Sequence[tuple[int, str]] = ()

    @property
    def refresh_s(self) -> int:
        """How long a refresh takes."""
        return max((second for second, _ in self.refresh), default=-1) + 1


@dataclass(frozen=True, kw_only=True)
class Use:
    """How a quota was used.

    Attributes:
        mean: First tries a second.
        tries: All of them, repeated ones included.
        peak: Tries in the busiest second, repeated ones included.
        throttled: Part of all tries that was refused.
    """

    mean: float
    tries: int
    peak: int
    throttled: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an hour came to.

    Attributes:
        uses: By the quota's name.
        missed: Part of the ticks that ended without a decision.
        undone: Part of the chores' calls that failed twice; all chores are left to the next tick then. All, where no
            run came to its chores.
        failed: Part of the calls of refreshes and timers that failed twice, and were left to another look.
        runs_at_once: Settled runs in the busiest second, each counted for as many seconds as it took.
    """

    uses: Mapping[str, Use]
    missed: float
    undone: float
    failed: float
    runs_at_once: int


@dataclass
class _Bucket:
    rate: Rate
    tokens: float
    wanted: int = 0
    asked: int = 0
    refused: int = 0
    by_second: Counter[int] = field(default_factory=Counter)

    def refill(self) -> None:
        self.tokens = min(self.rate.burst, self.tokens + self.rate.per_s)

    def take(self, second: int, calls: int, *, first: bool) -> int:
        """Return how many of the calls are let through."""
        granted = min(calls, int(self.tokens))
        self.tokens -= granted
        self.wanted += calls if first else 0
        self.asked += calls
        self.refused += calls - granted
        self.by_second[second] += calls
        return granted


@dataclass(frozen=True, order=True)
class _Run:
    """Where a tick's run is: before which call, after how many looks in vain, at which try of the call.

    Attributes:
        has_chores: Whether it has chores to do.
        has_failed: Whether one of them was not done.
    """

    stage: int = 0
    looks: int = 0
    attempt: int = 0
    has_chores: bool = False
    has_failed: bool = False


class _Hour:
    def __init__(self, load: Load, rates: Iterable[Rate], seconds: int) -> None:
        self._load = load
        self._seconds = seconds
        self._buckets = [_Bucket(rate, rate.burst) for rate in rates]
        self._of = {call: bucket for bucket in self._buckets for call in bucket.rate.calls}
        self.runs: defaultdict[int, Counter[_Run]] = defaultdict(Counter)
        self.singles: defaultdict[int, Counter[tuple[int, str]]] = defaultdict(Counter)
        self._owed: Counter[int] = Counter()
        self.missed = self.chores = self.undone = self.failed = self.busiest = 0

    def go(self) -> dict[str, Use]:
        for second in range(self._seconds):
            for bucket in self._buckets:
                bucket.refill()
            # Who comes first is chance on AWS.
            for part in (self._singles, self._runs) if second % 2 else (self._runs, self._singles):
                part(second)
        return {
            bucket.rate.name: Use(
                mean=bucket.wanted / self._seconds,
                tries=bucket.asked,
                peak=max(bucket.by_second.values(), default=0),
                throttled=bucket.refused / bucket.asked if bucket.asked else 0.0,
            )
            for bucket in self._buckets
        }

    def _take(self, second: int, call: str, calls: int, *, first: bool) -> int:
        bucket = self._of.get(call)
        return calls if bucket is None else bucket.take(second, calls, first=first)

    def _singles(self, second: int) -> None:
        for (attempt, call), calls in sorted(self.singles.pop(second, Counter()).items()):
            refused = calls - self._take(second, call, calls, first=attempt == 0)
            if attempt + 1 < ATTEMPTS:
                self.singles[second + RETRY_AFTER_S][attempt + 1, call] += refused
            else:
                self.failed += refused

    def _runs(self, second: int) -> None:
        here = self.runs.pop(second, Counter())
        self.busiest = max(self.busiest, here.total())
        self._make_up_for_chores(second, here)
        deciding = len(self._load.tick)
        for stage, call in enumerate((*self._load.tick, *self._load.chores)):
            here_now = [run for run in here if run.stage == stage]
            # Among those with and without chores, who comes first is chance too.
            for run in sorted(here_now, key=lambda r: (r.looks, r.attempt, r.has_chores is (second % 2 == 0))):
                if stage >= deciding and not run.has_chores:
                    continue
                runs = here.pop(run)
                self.chores += runs if stage >= deciding and run.attempt == 0 else 0
                granted = self._take(second, call, runs, first=run.attempt == 0)
                here[replace(run, stage=stage + 1, attempt=0)] += granted
                self._refused(second, here, run, runs - granted)
        next_tick = second - (ATTEMPTS - 1) * RETRY_AFTER_S + self._load.period_s
        self._owed[next_tick] += sum(n for run, n in here.items() if run.has_failed)

    def _make_up_for_chores(self, second: int, here: Counter[_Run]) -> None:
        """Whose chores were not done does them at its next tick; among those whose tick is now it counts as anyone."""
        owed = self._owed.pop(second, 0)
        taken = min(owed, here[_Run()])
        here[_Run()] -= taken
        here[_Run(has_chores=True)] += taken
        if owed > taken:
            self._owed[second + 1] += owed - taken

    def _refused(self, second: int, here: Counter[_Run], run: _Run, runs: int) -> None:
        if not runs:
            return
        if run.attempt + 1 < ATTEMPTS:
            self.runs[second + RETRY_AFTER_S][replace(run, attempt=run.attempt + 1)] += runs
        elif run.stage >= len(self._load.tick):
            self.undone += runs
            here[replace(run, stage=run.stage + 1, attempt=0, has_failed=True)] += runs
        elif run.looks + 1 < MOST_TRIES:
            self.runs[second + LOOK_AGAIN_AFTER_S][replace(run, stage=0, looks=run.looks + 1, attempt=0)] += runs
        else:
            self.missed += runs


def simulate(
    load: Load,
    rates: Iterable[Rate],
    *,
    clusters: int,
    aligned: bool = False,
    refreshes: Iterable[int] = (),
    seconds: int = 3600,
) -> Outcome:
    """Let an hour pass.

    Args:
        load: Of one cluster.
        rates: The quotas.
        clusters: How many.
        aligned: All ticks come in the same second of the minute, and those with chores in the same minute; else each
            at one of its own, by chance.
        refreshes: The second in which each instance refresh begins, a negative one where it began before the hour.
        seconds: Of the hour.
    """
    chance = random.Random(0)  # noqa: S311 - the same each time
    hour = _Hour(load, rates, seconds)
    cycle_s = load.period_s * load.chores_every
    phases = Counter(0 if aligned else chance.randrange(cycle_s) for _ in range(clusters))
    for phase, ticks in phases.items():
        for second in range(phase % load.period_s, seconds, load.period_s):
            hour.runs[second][_Run(has_chores=bool(load.chores) and second % cycle_s == phase)] += ticks
    for _ in range(clusters):
        for call in load.hourly:
            hour.singles[chance.randrange(min(TIMERS_SPREAD_S, seconds))][0, call] += 1
    for began in refreshes:
        for second, call in load.refresh:
            if 0 <= began + second < seconds:
                hour.singles[began + second][0, call] += 1
    ticks, calls = (sum(each.total() for each in asked.values()) for asked in (hour.runs, hour.singles))
    uses = hour.go()
    return Outcome(
        uses=uses,
        missed=hour.missed / ticks if ticks else 0.0,
        undone=hour.undone / hour.chores if hour.chores else float(bool(ticks and load.chores)),
        failed=hour.failed / calls if calls else 0.0,
        runs_at_once=hour.busiest,
    )


def evenly(clusters: int, *, within_s: int, refresh_s: int, seconds: int = 3600) -> list[int]:
    """Return when refreshes begin in an hour of a longer window in which each cluster has one."""
    apart_s = within_s / clusters
    first = -int(refresh_s / apart_s)
    return [int(n * apart_s) for n in range(first, int(seconds / apart_s) + 1)]


def binds_at(load: Load, rate: Rate) -> float:
    """Return the number of settled clusters whose ticks ask for all that a quota lets through."""
    chores = sum(call in rate.calls for call in load.chores)
    calls = sum(call in rate.calls for call in load.tick) + chores / load.chores_every
    return rate.per_s * load.period_s / calls if calls else float("inf")
