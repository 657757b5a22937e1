"""Figures of several runs, and tables of them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figures:
    """What one way took, run by run.

    Attributes:
        values: one for each run that came to its end, in the unit of whoever measured.
        tries: how many runs there were.
    """

    values: tuple[float, ...]
    tries: int

    @classmethod
    def of(cls, runs: Iterable[float | None]) -> Figures:
        """Take the runs; None is one that did not come to its end within its bound."""
        told = tuple(runs)
        return cls(tuple(each for each in told if each is not None), len(told))

    @property
    def median(self) -> float | None:
        """The median; None if no run came to its end."""
        return statistics.median(self.values) if self.values else None

    def __str__(self) -> str:
        return f"{self:.2f}"

    def __format__(self, spec: str) -> str:
        """Return ``median [fastest-slowest]``, and how many runs never came to their end."""
        if self.median is None:
            return f"never ({self.tries} of {self.tries} runs)"
        median, fastest, slowest = (format(each, spec) for each in (self.median, min(self.values), max(self.values)))
        shown = f"{median} [{fastest}-{slowest}]"
        missing = self.tries - len(self.values)
        return f"{shown}, never in {missing} of {self.tries}" if missing else shown


def ratio(figures: Figures, reference: Figures) -> str:
    """Return how often the reference's median goes into the figures', for example ``1.8 x``; ``-`` if it cannot."""
    if figures.median is None or not reference.median:
        return "-"
    return f"{figures.median / reference.median:.1f} x"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def shares(runs: Sequence[Mapping[str, float]]) -> list[tuple[str, str, str]]:
    """Return for each step its name, its median in ms, and its part of all steps' medians in percent.

    Args:
        runs: seconds by step, in the order of the steps; every run has the same steps.
    """
    medians = {name: statistics.median(run[name] for run in runs) for name in (runs[0] if runs else ())}
    whole = sum(medians.values()) or 1.0
    return [(name, f"{value * 1000:.0f}", f"{value / whole:.0%}") for name, value in medians.items()]
