"""What a client that writes all the time sees while something is done."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from lab.kv import TIMEOUT_S, Kv
from lab.paths import LabError
from lab.writer import Acknowledged, Writer

if TYPE_CHECKING:
    from lab.client_tls import ClientTls

TRANSFER: Final = "transfer"
"""The mark of a leadership transfer."""

_STEPS: Final = frozenset({TRANSFER, "remove"})
_BESIDE_S: Final = 0.25
"""A member that was removed ends within 30 ms, a transfer takes 0.1 s; by hand the mark is made when it is done."""

QUIET_S: Final = 12.0
"""About as long as a rolling refresh takes: in a longer window a busy machine has longer gaps."""

TRANSFER_S: Final = 5.0
"""With a transfer in the middle. Shorter than a refresh, which spares time and favours the transfer."""

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
        step_s: the longest beside a transfer or a removal; what is longer comes of processes that start, or of chance.
        failed: writes that ordinary retries did not bring through.
        retried: tries that were repeated.
        waited: writes that waited for an answer as long as the client does: etcd drops what is under way in a transfer.
        writes: each write's first try, in seconds after the window began, and how long it took to be acknowledged.
        marks: what was done.
    """

    took_s: float
    gap_s: float
    gap_at: float
    step_s: float
    failed: int
    retried: int
    waited: int
    writes: tuple[tuple[float, float], ...]
    marks: tuple[Mark, ...] = ()

    @property
    def transfers(self) -> int:
        """How often leadership was handed over."""
        return sum(mark.what == TRANSFER for mark in self.marks)

    def __str__(self) -> str:
        return f"{self.gap_s * 1000:.0f} ms at {self.gap_at:.1f} s ({self.waited} waited, {self.transfers} transfers)"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it; of the writes only how many."""
        return asdict(self) | {"writes": len(self.writes), "marks": [[m.at, m.what] for m in self.marks]}


@dataclass(frozen=True)
class Gaps:
    """The same client while nothing happens, over bare leadership transfers, and over rolling refreshes."""

    quiet: tuple[Window, ...]
    transfers: tuple[Window, ...]
    refreshes: tuple[Window, ...]

    def __str__(self) -> str:
        shown = (("nothing", self.quiet), ("bare transfers", self.transfers), ("refreshes", self.refreshes))
        return "; ".join(f"{name} {', '.join(map(str, windows))}" for name, windows in shown if windows)


def window(acknowledged: Iterable[Acknowledged], *, began: float, ended: float, marks: Sequence[Mark] = ()) -> Window:
    """Return what the writes between two moments (monotonic seconds) were like."""
    told = list(acknowledged)
    before = max((each.at for each in told if each.at < began), default=began)
    inside = [each for each in told if began <= each.at <= ended]
    ends = [before, *(each.at for each in inside)]
    gaps = [(after - previous, previous - began) for previous, after in itertools.pairwise(ends)]
    gap_s, gap_at = max(gaps, default=(ended - began, 0.0))
    steps = [mark.at for mark in marks if mark.what in _STEPS]
    beside = (gap for gap, at in gaps if any(at - _BESIDE_S <= step <= at + gap + _BESIDE_S for step in steps))
    return Window(
        took_s=ended - began,
        gap_s=gap_s,
        gap_at=gap_at,
        step_s=max(beside, default=0.0),
        failed=sum(each.tries > ORDINARY_TRIES for each in inside),
        retried=sum(each.tries - 1 for each in inside),
        waited=sum(each.tries > 1 and each.at - each.began >= TIMEOUT_S[1] for each in inside),
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


def quiet(writer: Writer) -> Window:
    """Return what a writer saw while nothing was done."""
    return watched(writer, lambda: time.sleep(QUIET_S))


def bare_transfer(writer: Writer, urls: Sequence[str], tls: ClientTls | None = None) -> Window:
    """Return what a writer saw over one leadership transfer in the middle of nothing.

    Args:
        writer: writes already.
        urls: of all members.
        tls: for https.

    Raises:
        LabError: no member leads.
    """
    began = time.monotonic()
    time.sleep(TRANSFER_S / 2)
    with Kv(tls) as kv:
        told = [kv.post(url, "/v3/maintenance/status", {}) for url in urls]
        ids = [each["header"]["member_id"] for each in told]
        leader = next((each["leader"] for each in told if each.get("leader") in ids), None)
        if leader is None:
            raise LabError(f"none of {', '.join(urls)} leads")
        at = ids.index(leader)
        mark = Mark(time.monotonic() - began, TRANSFER)
        kv.post(urls[at], "/v3/maintenance/transfer-leadership", {"targetID": ids[at - 1]})
    time.sleep(TRANSFER_S / 2)
    return window(writer.acknowledged, began=began, ended=time.monotonic(), marks=[mark])


def expect_kept(writer: Writer) -> None:
    """Read everything back.

    Raises:
        LabError: a write that was acknowledged is lost, or none was.
    """
    verdict = writer.verify()
    if verdict.lost or not verdict.acknowledged:
        raise LabError(f"{len(verdict.lost)} of {verdict.acknowledged} acknowledged writes are lost")
