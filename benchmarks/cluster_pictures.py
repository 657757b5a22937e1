"""Pictures of the benchmark of the cluster: writes over time, and steps one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmarks.pictures import FLOOR, MARK, OURS, SEED, picture
from benchmarks.writes import Window

_BUCKETS: Final = 700
_COLOURS: Final = {"ours": OURS, "by": FLOOR, "the": SEED}
_STEPS: Final = {
    "event": "#9ecae1",
    "observe": "#6baed6",
    "add": "#fdae6b",
    "publish": "#3182bd",
    "agent": "#756bb1",
    "etcd start": "#31a354",
    "catch-up": "#a1d99b",
    "promote": "#e6550d",
    "start to promote": "#41ab5d",
    "serves": "#74c476",
    "complete": "#08519c",
}


def writes(ways: Sequence[tuple[str, Window]]) -> str:
    """Draw how long each write took to be acknowledged, and what was done meanwhile.

    Args:
        ways: one below the other: the way's name, and what a client saw.
    """
    slowest = max(took for _, seen in ways for _, took in seen.writes) * 1000
    with picture(rows=len(ways), height=2.6 * len(ways)) as drawn:
        for axes, (name, seen) in zip(drawn.axes, ways, strict=True):
            colour = _COLOURS[name.split()[0].strip(",")]
            at, took_ms = _slowest_of_each_moment(seen)
            axes.vlines(at, 0.5, took_ms, color=colour, linewidth=0.8)
            kinds = list(dict.fromkeys(mark.what for mark in seen.marks))
            for mark in seen.marks:
                axes.axvline(mark.at, color=MARK, linewidth=0.5, linestyle=":")
                height = 0.96 - 0.065 * kinds.index(mark.what)
                axes.text(mark.at, height, mark.what, transform=axes.get_xaxis_transform(), fontsize=6, color=MARK)
            axes.set_yscale("log")
            axes.set_ylim(0.5, max(slowest * 30, 10000.0))
            axes.set_xlim(0.0, seen.took_s)
            axes.set_ylabel("write took, ms")
            axes.set_title(
                f"{name}: longest gap {seen.gap_s * 1000:.0f} ms, {seen.failed} failed writes of {len(seen.writes)}",
                loc="left",
            )
        drawn.axes[-1].set_xlabel("seconds")
        return drawn.svg()


def steps(bars: Sequence[tuple[str, Sequence[tuple[str, float]]]]) -> str:
    """Draw steps one after the other, as parts of one bar for each way.

    Args:
        bars: from the top: name, and its steps in seconds.
    """
    with picture(height=0.6 + 0.45 * len(bars)) as drawn:
        axes = drawn.axes[0]
        named: set[str] = set()
        for row, (_, told) in enumerate(bars):
            left = 0.0
            for name, took in told:
                label = None if name in named else name
                axes.barh(row, took, left=left, color=_STEPS.get(name, MARK), label=label)
                named.add(name)
                left += took
        axes.set_yticks(range(len(bars)), [name for name, _ in bars])
        axes.invert_yaxis()
        axes.set_xlabel("seconds")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=7)
        return drawn.svg()


def _slowest_of_each_moment(seen: Window) -> tuple[list[float], list[float]]:
    """Thin the writes out to what can be seen: the slowest of each moment."""
    width = seen.took_s / _BUCKETS
    slowest: dict[int, tuple[float, float]] = {}
    for at, took in seen.writes:
        bucket = int(at / width)
        slowest[bucket] = max(slowest.get(bucket, (0.0, at)), (took, at))
    thinned = [slowest[bucket] for bucket in sorted(slowest)]
    return [at for _, at in thinned], [took * 1000 for took, _ in thinned]
