"""Everything that ``scale`` found, and all of its figures as JSON can hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.account import Outcome
from benchmarks.counts import Counts
from benchmarks.prices import PRICES, Month, bill
from benchmarks.quotas import NUMBERS, RATES
from benchmarks.scale_model import Cluster


@dataclass(frozen=True, kw_only=True)
class Told:
    """Everything that was found.

    Attributes:
        clusters: Of different sizes, the first of three.
        named: One of three with DNS names.
        slow: One of three whose hosts take long to boot.
        months: By what the month is like; the first is settled, the second has a refresh a week.
        calls: AWS calls of each of these months.
        fits: Clusters that fit, by quota of numbers.
        binding: Settled clusters that use all of it, by quota of rates.
        outcomes: By clusters, whether ticks are aligned, and whether all are refreshed within a working day.
        app: An app's clusters, ``app_size`` of them, all refreshed at once.
        app_formed: The same while they form.
        most_without_loss: Most settled clusters of which no tick was lost: ticks spread, and all in one second.
        has: Things of one cluster.
    """

    clusters: Sequence[Cluster]
    named: Cluster
    slow: Cluster
    months: Mapping[str, Month]
    calls: Sequence[float]
    fits: Mapping[str, float]
    binding: Mapping[str, float]
    outcomes: Mapping[tuple[int, bool, bool], Outcome]
    app: Outcome
    app_formed: Outcome
    app_size: int
    most_without_loss: Sequence[int]
    has: Mapping[str, float]

    @property
    def accounts(self) -> list[int]:
        """The numbers of clusters that were simulated."""
        return sorted({clusters for clusters, _, _ in self.outcomes})


def raw(told: Told) -> dict[str, Any]:
    """Return every figure, as JSON can hold it."""
    return {
        "clusters": [
            {
                "size": c.size,
                "tick": c.tick,
                "chores": c.chores,
                "chores_every": c.chores_every,
                "formation": _counts(c.formation),
                "settled": _counts(c.settled),
                "refresh": _counts(c.refresh),
            }
            for c in told.clusters
        ],
        "things": dict(told.has),
        "clusters that fit": _finite(told.fits),
        "clusters that use a rate up": _finite(told.binding),
        "outcomes": [
            {"clusters": n, "aligned": aligned, "refreshing": refreshing, **asdict(outcome)}
            for (n, aligned, refreshing), outcome in told.outcomes.items()
        ],
        "an app refreshed at once": asdict(told.app),
        "an app formed at once": asdict(told.app_formed),
        "bills": {name: bill(month) for name, month in told.months.items()},
        "rates": [{**asdict(rate), "calls": sorted(rate.calls)} for rate in RATES],
        "numbers": [asdict(number) for number in NUMBERS],
        "prices": [asdict(price) for price in PRICES.values()],
    }


def _counts(counts: Counts) -> dict[str, Any]:
    told = {key: getattr(counts, key) for key in ("seconds", "runs", "busy_s", "messages", "log_bytes")}
    calls = {key: dict(getattr(counts, key)) for key in ("aws", "hosts", "etcd")}
    return {**told, **calls, "metrics": sorted(counts.metrics)}


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if value == float("inf") else value for name, value in values.items()}
