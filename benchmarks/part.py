"""What each part of the benchmark tells: rows of one table, pictures, and the raw data of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from benchmarks.figures import Figures, table

HEAD: Final = ("what", "unit", "ours", "against", "its figures", "ratio", "goal")


@dataclass(frozen=True)
class Goal:
    """What a ratio should be.

    Attributes:
        limit: the ratio.
        at_least: whether the other way's figure is to be so many times ours; else ours is to be at most so many times
            the other way's.
    """

    limit: float
    at_least: bool = False

    def __str__(self) -> str:
        return f"{'at least' if self.at_least else 'at most'} {self.limit:g} x"

    def held(self, ratio: float) -> bool:
        """Whether the ratio is as it should be."""
        return ratio >= self.limit if self.at_least else ratio <= self.limit


@dataclass(frozen=True)
class Row:
    """Two ways, measured side by side in one run.

    Attributes:
        what: what was done, for example ``formation, all at once``.
        unit: of both figures, for example ``s``.
        ours: our way.
        against: the other way's name.
        reference: its figures.
        goal: what the ratio should be, where something was aimed at.
        digits: how many are shown after the point.
    """

    what: str
    unit: str
    ours: Figures
    against: str
    reference: Figures
    goal: Goal | None = None
    digits: int = 2

    @property
    def ratio(self) -> float | None:
        """Of the medians: ours to the other's, or the other's to ours if the goal is a least; None if there is none."""
        above, below = self.ours.median, self.reference.median
        if self.goal and self.goal.at_least:
            above, below = below, above
        return above / below if above is not None and below else None

    def cells(self) -> tuple[str, ...]:
        """The row as it is printed."""
        spec, ratio = f".{self.digits}f", self.ratio
        goal = ""
        if self.goal:
            goal = f"{self.goal}: {'-' if ratio is None else 'held' if self.goal.held(ratio) else 'missed'}"
        shown = "-" if ratio is None else f"{ratio:.2f} x" if ratio < 10 else f"{ratio:.0f} x"  # noqa: PLR2004
        return (
            self.what,
            self.unit,
            format(self.ours, spec),
            self.against,
            format(self.reference, spec),
            shown,
            goal,
        )


@dataclass(frozen=True)
class Part:
    """What one part of the benchmark found.

    Attributes:
        rows: of the one table.
        text: more tables and words, Markdown, for whoever reads the terminal and for the page's own section.
        pictures: SVG by file name without its end.
        raw: every single figure, as JSON can hold it.
    """

    rows: tuple[Row, ...]
    text: str = ""
    pictures: Mapping[str, str] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict)


def one_table(rows: Iterable[Row]) -> str:
    """Return all rows as one Markdown table."""
    return table(HEAD, [row.cells() for row in rows])


def to_json(row: Row) -> dict[str, Any]:
    """Return the row as JSON can hold it."""
    return asdict(row)


def from_json(told: Mapping[str, Any]) -> Row:
    """Return the row that was written by ``to_json``."""
    figures = {name: Figures(tuple(told[name]["values"]), told[name]["tries"]) for name in ("ours", "reference")}
    return Row(**{**told, **figures, "goal": Goal(**told["goal"]) if told["goal"] else None})
