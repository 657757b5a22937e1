"""A thousand proxies that boot at once: the agent's own loop against Parameter Store's limit, simulated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from benchmarks.figures import Figures, table
from benchmarks.part import Goal, Part, Row
from benchmarks.pictures import FLOOR, MARK, OURS, SEED, picture
from benchmarks.throttled import BURST, LIMIT_PER_S, ROUND_TRIP_S, Outcome, boot, per_second
from etcd_aws_agent.run import Agent

COUNT: Final = 1000
CALM_AFTER_S: Final = 5.0
"""Seconds after the last boot; before, the boots themselves are the herd."""

_FLOOR_S: Final = COUNT / LIMIT_PER_S
_SHOWN_S: Final = 75


class FixedGrowth(Agent):
    """The agent's loop with pauses of 1, 2, 4 ... 30 s, without jitter."""

    def _delay_s(self) -> float:
        return min(30.0, 2.0 ** min(self._looks - 1, 10))


class FixedPause(Agent):
    """The agent's loop with the seed's pause, 3 s each time."""

    def _delay_s(self) -> float:
        return 3.0


@dataclass(frozen=True)
class Case:
    """When the proxies boot, and when there is something for them to read.

    Attributes:
        within_s: all of them by then.
        there_at: when the record is published; it is counted from then until all are done.
    """

    name: str
    within_s: float
    there_at: float


CASES: Final = (
    Case("all boot at once", 0.0, 0.0),
    Case("all boot within 10 s", 10.0, 0.0),
    Case("at once, and the record is there after 60 s", 0.0, 60.0),
    Case("at once, and the record is there after 300 s", 0.0, 300.0),
)
WAYS: Final[dict[str, Callable[..., Agent]]] = {
    "ours": Agent,
    "no jitter: 1, 2, 4 ... 30 s": FixedGrowth,
    "the seed's pause: 3 s": FixedPause,
}
_COLOURS: Final = dict(zip(WAYS, (OURS, MARK, SEED), strict=True))


@dataclass
class Told:
    """What one way's runs of one case came to, run by run."""

    done_s: list[float] = field(default_factory=list)
    requests: list[float] = field(default_factory=list)
    busiest: list[float] = field(default_factory=list)
    waiting_rate: list[float] = field(default_factory=list)

    def add(self, case: Case, outcome: Outcome) -> None:
        """Note a run."""
        self.done_s.append(outcome.done[-1] - case.there_at)
        self.requests.append(len(outcome.sent) / COUNT)
        self.busiest.append(outcome.busiest(case.within_s + CALM_AFTER_S) / LIMIT_PER_S)
        if case.there_at:
            self.waiting_rate.append(outcome.rate(case.there_at / 2, case.there_at) / LIMIT_PER_S)


def run(rounds: int) -> Part:
    """Simulate; a round is another seed for everything random."""
    told = {(case, way): Told() for case in CASES for way in WAYS}
    shown: dict[tuple[Case, str], Outcome] = {}
    for seed in range(1, rounds + 1):
        for (case, way), runs in told.items():
            outcome = boot(COUNT, within_s=case.within_s, there_at=case.there_at, seed=seed, agent=WAYS[way])
            runs.add(case, outcome)
            shown.setdefault((case, way), outcome)
    return Part(
        tuple(_rows(told)),
        _text(told),
        {"proxies-rate": _rate(shown), "proxies-done": _done(shown)},
        {f"{case.name}; {way}": vars(runs) for (case, way), runs in told.items()},
    )


def _rows(told: dict[tuple[Case, str], Told]) -> list[Row]:
    ours, others = next(iter(WAYS)), list(WAYS)[1:]
    rows = []
    for case in CASES:
        what = f"{COUNT:,} proxies, {case.name}: until all are done"
        mine = Figures.of(told[case, ours].done_s)
        rows.append(Row(what, "s", mine, "the limit: proxies / 40 a second", Figures.of([_FLOOR_S]), Goal(2.0), 1))
        if case.there_at:
            continue
        rows += [Row(what, "s", mine, way, Figures.of(told[case, way].done_s), digits=1) for way in others]
    limit = Figures.of([1.0])
    for case in CASES:
        mine = Figures.of(told[case, ours].busiest)
        what = f"{COUNT:,} proxies, {case.name}: busiest second, {CALM_AFTER_S:g} s after the boots"
        rows.append(Row(what, "limits", mine, "the limit", limit, digits=2))
    return rows


def _text(told: dict[tuple[Case, str], Told]) -> str:
    head = ("case", "way", "all done, s", "to the limit", "requests a proxy", "busiest second", "while waiting")
    rows = []
    for (case, way), runs in told.items():
        done = Figures.of(runs.done_s)
        rows.append(
            (
                case.name,
                way,
                f"{done:.1f}",
                f"{(done.median or 0.0) / _FLOOR_S:.2f} x",
                f"{Figures.of(runs.requests):.2f}",
                f"{Figures.of(runs.busiest):.2f} x",
                f"{Figures.of(runs.waiting_rate):.2f} x" if runs.waiting_rate else "-",
            )
        )
    return (
        f"{table(head, rows)}\n\n"
        f"*Busiest second*: requests sent in it, to the limit of {LIMIT_PER_S:g}, from {CALM_AFTER_S:g} s after the "
        "last boot on. *While waiting*: requests a second to the limit, in the second half of the time before the "
        f"record is there. A burst of {BURST:g} is served at once, a request takes {ROUND_TRIP_S * 1000:g} ms.\n\n"
        "![requests a second](performance/proxies-rate.svg)\n\n![proxies that are done](performance/proxies-done.svg)"
    )


def _rate(shown: dict[tuple[Case, str], Outcome]) -> str:
    """Draw requests a second, sent and served, of the first case and of the one in which the record is late."""
    drawn = [(CASES[0], way) for way in WAYS] + [(CASES[2], next(iter(WAYS)))]
    with picture(rows=len(drawn), height=8.0) as figure:
        for axes, (case, way) in zip(figure.axes, drawn, strict=True):
            outcome = shown[case, way]
            until_s = _SHOWN_S + int(case.there_at)
            sent, served = (_line(per_second(each), until_s) for each in (outcome.sent, outcome.served))
            axes.stairs(sent, color=_COLOURS[way], label="sent", linewidth=1.0)
            axes.stairs(served, color=FLOOR, label="served", fill=True, alpha=0.5)
            axes.axhline(LIMIT_PER_S, color=MARK, linestyle="--", linewidth=0.8, label="limit")
            axes.set_yscale("symlog", linthresh=LIMIT_PER_S)
            axes.set_xlim(0, until_s)
            axes.set_ylim(0, COUNT * 1.5)
            axes.set_yticks([0, 40, 200, 1000], labels=["0", "40", "200", "1,000"])
            axes.set_title(f"{way}; {case.name}", loc="left", fontsize=9)
            axes.set_ylabel("requests a second")
        figure.axes[0].legend(loc="upper right", frameon=False, ncols=3)
        figure.axes[-1].set_xlabel("seconds since the first boot")
        return figure.svg()


def _done(shown: dict[tuple[Case, str], Outcome]) -> str:
    """Draw how many are done, over time, for the first two cases."""
    with picture(rows=2, height=4.5) as figure:
        for axes, case in zip(figure.axes, CASES[:2], strict=True):
            for way, colour in _COLOURS.items():
                done = shown[case, way].done
                axes.step(done, range(1, len(done) + 1), where="post", color=colour, label=way)
            axes.plot([0, _FLOOR_S], [0, COUNT], color=FLOOR, linestyle="--", label="the limit")
            axes.set_xlim(0, _SHOWN_S)
            axes.set_ylim(0, COUNT * 1.05)
            axes.set_title(case.name, loc="left", fontsize=9)
            axes.set_ylabel("proxies that are done")
        figure.axes[0].legend(loc="lower right", frameon=False)
        figure.axes[-1].set_xlabel("seconds since the first boot")
        return figure.svg()


def _line(counts: dict[int, int], until_s: int) -> list[int]:
    return [counts.get(second, 0) for second in range(until_s)]
