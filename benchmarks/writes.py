"""What a client that writes all the time sees while something is done."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from lab.paths import LabError
from lab.writer import Acknowledged, Writer

WINDOW_S: Final = 12.0
"""About as long as a rolling refresh takes: in a longer window a busy machine has longer gaps."""

ORDINARY_TRIES: Final = 5
"""A client with ordinary retries: so many tries, each with a time limit of a second (lab/writer.py)."""


@dataclass(frozen=True)
class Mark:
    """Something that was done meanwhile: when, in seconds after the window began, and what."""

    at: float
    what: str


@dataclass(frozen=True)
class Window:
    """The writes while something was done.

    Attributes:
        took_s: how long it was done.
        gap_s: the longest time between two acknowledgements.
        gap_at: when that began, in seconds after the window did.
        failed: writes that ordinary retries did not bring through.
        retried: tries that were repeated.
        writes: each write's first try, in seconds after the window began, and how long it took to be acknowledged.
        marks: what was done.
    """

    took_s: float
    gap_s: float
    gap_at: float
    failed: int
    retried: int
    writes: tuple[tuple[float, float], ...]
    marks: tuple[Mark, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it; of the writes only how many."""
        return asdict(self) | {"writes": len(self.writes), "marks": [[m.at, m.what] for m in self.marks]}


@dataclass(frozen=True)
class Gaps:
    """The same client while nothing happens, over one bare leadership transfer, and over a rolling refresh."""

    quiet: Window
    transfer: Window
    refresh: Window


def window(acknowledged: Iterable[Acknowledged], *, began: float, ended: float, marks: Sequence[Mark] = ()) -> Window:
    """Return what the writes between two moments (monotonic seconds) were like."""
    told = list(acknowledged)
    before = max((each.at for each in told if each.at < began), default=began)
    inside = [each for each in told if began <= each.at <= ended]
    ends = [before, *(each.at for each in inside)]
    gaps = [(after - previous, previous - began) for previous, after in itertools.pairwise(ends)]
    gap_s, gap_at = max(gaps, default=(ended - began, 0.0))
    return Window(
        took_s=ended - began,
        gap_s=gap_s,
        gap_at=gap_at,
        failed=sum(each.tries > ORDINARY_TRIES for each in inside),
        retried=sum(each.tries - 1 for each in inside),
        writes=tuple((each.began - began, each.at - each.began) for each in inside),
        marks=tuple(marks),
    )


def watched(
    writer: Writer, work: Callable[[], object], marks: Callable[[float], Sequence[Mark]] | None = None
) -> Window:
    """Return what a writer saw while that work was done.

    Args:
        writer: writes already.
        work: what is done.
        marks: gives what was done, for a window that began at these monotonic seconds.
    """
    began = time.monotonic()
    work()
    ended = time.monotonic()
    return window(writer.acknowledged, began=began, ended=ended, marks=marks(began) if marks else ())


def quiet() -> None:
    """Do nothing."""
    time.sleep(WINDOW_S)


def once(work: Callable[[], object]) -> None:
    """Do something in the middle of nothing."""
    time.sleep(WINDOW_S / 2)
    work()
    time.sleep(WINDOW_S / 2)


def expect_kept(writer: Writer) -> None:
    """Read everything back.

    Raises:
        LabError: a write that was acknowledged is lost, or none was.
    """
    verdict = writer.verify()
    if verdict.lost or not verdict.acknowledged:
        raise LabError(f"{len(verdict.lost)} of {verdict.acknowledged} acknowledged writes are lost")
