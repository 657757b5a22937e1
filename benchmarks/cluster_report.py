"""What was measured of clusters, as rows, tables, pictures and raw data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from benchmarks import cluster_pictures
from benchmarks.by_hand import Replaced
from benchmarks.figures import Figures, shares, table
from benchmarks.ours import Run
from benchmarks.part import Goal, Part, Row
from benchmarks.writes import ORDINARY_TRIES, Gaps, Window

FORMATION: Final = Goal(1.5)
REPLACEMENT: Final = Goal(10, at_least=True)
GAP: Final = Goal(1.5)
STEPS: Final = ("event", "observe", "add", "publish", "agent", "etcd start", "catch-up", "promote", "complete")
_HAND: Final = "by hand"
_SEED: Final = "the seed's way"
_LOST: Final = {False: "a follower was lost", True: "the leader was lost"}


def _by_leader() -> dict[bool, list[Any]]:
    return {False: [], True: []}


@dataclass
class Measured:
    """Everything measured, run by run; ``replaced`` by whether the leader was lost. ``old`` is ours on etcd 3.4."""

    hand_formed: list[float] = field(default_factory=list)
    formed: list[Run] = field(default_factory=list)
    formed_cold: list[Run] = field(default_factory=list)
    formed_apart: list[Run] = field(default_factory=list)
    replaced: dict[bool, list[Run]] = field(default_factory=_by_leader)
    hand_replaced: dict[bool, list[Replaced]] = field(default_factory=_by_leader)
    gaps: list[Gaps] = field(default_factory=list)
    hand_gaps: list[Gaps] = field(default_factory=list)
    hand_formed_tls: list[float] = field(default_factory=list)
    formed_tls: list[Run] = field(default_factory=list)
    old_formed: list[Run] = field(default_factory=list)
    old_formed_apart: list[Run] = field(default_factory=list)
    old_replaced: dict[bool, list[Run]] = field(default_factory=_by_leader)
    old_gaps: list[Gaps] = field(default_factory=list)
    seed_formed: list[float | None] = field(default_factory=list)
    seed_formed_apart: list[float | None] = field(default_factory=list)
    seed_replaced: dict[bool, list[float | None]] = field(default_factory=_by_leader)
    seed_rolled: list[tuple[Window, float | None]] = field(default_factory=list)


def part(measured: Measured) -> Part:
    """Return what the benchmark of the cluster found."""
    return Part(
        rows=(*_formations(measured), *_replacements(measured), *_refreshes(measured)),
        text=f"{_steps(measured)}\n\n{_writes(measured)}",
        pictures=_pictures(measured),
        raw=_raw(measured),
    )


def _formations(measured: Measured) -> Iterable[Row]:
    hand = Figures.of(measured.hand_formed)
    yield Row("formation, all at once", "s", _took(measured.formed), _HAND, hand, FORMATION)
    yield Row("formation, hosts 0/2/4 s apart, from the last boot", "s", _took(measured.formed_apart), _HAND, hand)
    yield Row("formation, the function cold", "s", _took(measured.formed_cold), _HAND, hand)
    tls = Figures.of(measured.hand_formed_tls)
    yield Row("formation, https", "s", _took(measured.formed_tls), f"{_HAND}, certificates at hand", tls)
    seed, apart = Figures.of(measured.seed_formed), Figures.of(measured.seed_formed_apart)
    yield Row("formation, etcd 3.4", "s", _took(measured.old_formed), _SEED, seed)
    yield Row("formation, etcd 3.4, hosts apart", "s", _took(measured.old_formed_apart), _SEED, apart)


def _replacements(measured: Measured) -> Iterable[Row]:
    for leader, lost in _LOST.items():
        seed = Figures.of(measured.seed_replaced[leader])
        ours = _took(measured.old_replaced[leader])
        yield Row(f"replacement, etcd 3.4, {lost}", "s", ours, _SEED, seed, REPLACEMENT)
    for leader, lost in _LOST.items():
        ours = _took(measured.replaced[leader])
        hand = Figures.of(run.took_s for run in measured.hand_replaced[leader])
        yield Row(f"replacement, {lost}, from the newcomer's coming", "s", ours, _HAND, hand)
    for leader, lost in _LOST.items():
        ours = Figures.of(run.since_death_s for run in measured.replaced[leader])
        hand = Figures.of(run.since_death_s for run in measured.hand_replaced[leader])
        yield Row(f"replacement, {lost}, from its death", "s", ours, _HAND, hand)


def _refreshes(measured: Measured) -> Iterable[Row]:
    """Compare like with like: windows in which no write waited for an answer in vain; the others are told apart."""
    bare = [each for gaps in measured.gaps for each in gaps.transfers]
    ours, hand, old = map(_refreshed, (measured.gaps, measured.hand_gaps, measured.old_gaps))
    what, against = "rolling refresh, longest gap", "one bare leadership transfer"
    yield Row(f"{what}, no write dropped", "ms", _calm_ms(ours), against, _calm_ms(bare), GAP, 0)
    beside = "beside a transfer or removal"
    yield Row(f"{what}, no write dropped, {beside}", "ms", _beside_ms(ours), against, _beside_ms(bare), None, 0)
    yield Row(f"{what}, all", "ms", _gap_ms(ours), against, _gap_ms(bare), None, 0)
    yield Row(f"{what}, all", "ms", _gap_ms(ours), f"{_HAND}, the same steps", _gap_ms(hand), None, 0)
    seed = _gap_ms(seen for seen, _ in measured.seed_rolled)
    yield Row(f"{what}, all, etcd 3.4", "ms", _gap_ms(old), _SEED, seed, None, 0)


def _steps(measured: Measured) -> str:
    """Return our steps, and beside them those of the floor."""
    hand = [each.steps for each in measured.hand_replaced[False]]
    columns = [
        {name: (took, share) for name, took, share in shares([run.steps for run in runs])}
        for runs in (measured.formed, measured.formed_tls, measured.formed_cold, measured.replaced[False])
    ]
    head = ("step", "formation ms", "%", "https ms", "%", "cold ms", "%", "replacement ms", "%")
    none = ("-", "-")
    ours = table(head, [(step, *(cell for column in columns for cell in column.get(step, none))) for step in STEPS])
    floor = table(("by hand, replacement", "ms", "%"), shares(hand))
    return f"{ours}\n\n{floor}"


def _writes(measured: Measured) -> str:
    head = (
        "while",
        "windows",
        "longest gap ms, no write dropped",
        "beside a transfer or removal",
        "longest gap ms, all",
        "writes dropped",
        "in transfers",
        "tries repeated",
        f"writes that {ORDINARY_TRIES} tries did not bring through",
    )
    ways: Sequence[tuple[str, Sequence[Window]]] = (
        ("nothing happens", [each for gaps in measured.gaps for each in gaps.quiet]),
        ("one bare leadership transfer", [each for gaps in measured.gaps for each in gaps.transfers]),
        ("ours, refresh", _refreshed(measured.gaps)),
        ("by hand, refresh", _refreshed(measured.hand_gaps)),
        ("etcd 3.4: ours, refresh", _refreshed(measured.old_gaps)),
        ("etcd 3.4: the seed's way, host by host", [seen for seen, _ in measured.seed_rolled]),
    )
    rows = [
        (
            name,
            str(len(windows)),
            f"{_calm_ms(windows):.0f}" if _calm(windows) else "-",
            f"{_beside_ms(windows):.0f}" if any(each.step_s for each in _calm(windows)) else "-",
            f"{_gap_ms(windows):.0f}",
            str(sum(each.waited for each in windows)),
            str(sum(each.transfers for each in windows)),
            f"{Figures.of(each.retried for each in windows):.0f}",
            str(sum(each.failed for each in windows)),
        )
        for name, windows in ways
    ]
    return table(head, rows)


def _pictures(measured: Measured) -> dict[str, str]:
    """Draw the runs whose longest gap is the middle one."""
    ours, hand, old = (_middle(_refreshed(gaps)) for gaps in (measured.gaps, measured.hand_gaps, measured.old_gaps))
    seed = _middle([seen for seen, _ in measured.seed_rolled])
    return {
        "cluster-refresh": cluster_pictures.writes([("ours", ours), ("by hand, with etcdctl", hand)]),
        "cluster-refresh-seed": cluster_pictures.writes([("ours, etcd 3.4", old), ("the seed's way, etcd 3.4", seed)]),
        "cluster-steps": cluster_pictures.steps(
            [
                ("formation, by hand", [("etcd start", Figures.of(measured.hand_formed).median or 0.0)]),
                ("formation, ours", _medians([run.steps for run in measured.formed])),
                ("replacement, by hand", _medians([each.steps for each in measured.hand_replaced[False]])),
                ("replacement, ours", _medians([run.steps for run in measured.replaced[False]])),
            ]
        ),
    }


def _raw(measured: Measured) -> dict[str, Any]:
    """Return every figure; of the writes of a window only how many, for they are thousands."""

    def told(value: object) -> Any:  # noqa: ANN401  # JSON
        match value:
            case Window():
                return value.to_json()
            case Gaps():
                return {name: told(getattr(value, name)) for name in ("quiet", "transfers", "refreshes")}
            case Run() | Replaced():
                return asdict(value)
            case list() | tuple():
                return [told(each) for each in value]
            case dict():
                return {"leader" if leader else "follower": told(each) for leader, each in value.items()}
        return value

    return {name: told(value) for name, value in vars(measured).items()}


def _took(runs: Sequence[Run]) -> Figures:
    return Figures.of(run.took_s for run in runs)


def _refreshed(gaps: Iterable[Gaps]) -> list[Window]:
    return [refresh for each in gaps for refresh in each.refreshes]


def _calm(windows: Iterable[Window]) -> list[Window]:
    return [each for each in windows if not each.waited]


def _calm_ms(windows: Iterable[Window]) -> Figures:
    return _gap_ms(_calm(windows))


def _beside_ms(windows: Iterable[Window]) -> Figures:
    return Figures.of(each.step_s * 1000 for each in _calm(windows))


def _gap_ms(windows: Iterable[Window]) -> Figures:
    return Figures.of(each.gap_s * 1000 for each in windows)


def _medians(runs: Sequence[dict[str, float]]) -> list[tuple[str, float]]:
    return [(name, float(took) / 1000) for name, took, _ in shares(runs)]


def _middle(windows: Sequence[Window]) -> Window:
    return sorted(windows, key=lambda each: each.gap_s)[len(windows) // 2]
