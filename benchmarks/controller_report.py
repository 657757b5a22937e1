"""Words, tables and pictures of what was measured of the controller."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from matplotlib.axes import Axes

from benchmarks import controller_pythons
from benchmarks.figures import Figures, table
from benchmarks.pictures import FLOOR, MARK, OURS, picture

if TYPE_CHECKING:
    from benchmarks.controller import Measured

_COLOURS: Final = ("#bbbbbb", "#1f77b4", "#17becf", "#9467bd", "#8c564b", "#d62728", "#ff7f0e", "#dddddd")
_BUNDLES: Final[Mapping[str, str]] = {
    "as installed": "as pip and a copy leave it",
    "not compiled": "models of its own calls alone",
    "deployed": "and compiled: as deployed",
}
_START_NAMES: Final[Mapping[str, str]] = {
    "python": "`python -c pass`",
    "needs": "bare imports and clients, with certificates",
    "needs, kept": "the same, collector off meanwhile, as in ours",
    "ready": "ours, with certificates",
    "needs, http": "bare imports and clients, without",
    "ready, http": "ours, without certificates",
    "usual": "boto3, requests, Powertools as usually imported, without",
    "ready, not compiled": "ours, not compiled",
    "ready, as installed": "ours, not compiled and with botocore's own models",
    "first tick": "ours and a first settled tick",
    "bare first tick": "bare imports and the calls of a settled tick",
}


def text(measured: Measured) -> str:
    """Return the tables of the part's own section."""
    return "\n\n".join(
        [
            "Starts of a fresh Python, CPU and peak memory:",
            _starts(measured),
            "Under each Python of Lambda's runtimes, with certificates, CPU ms:",
            controller_pythons.text(measured.pythons),
            "Where a cold start goes, CPU ms, medians:",
            _stages(measured.stages),
            "A settled tick, CPU ms, and what it asks:",
            _ticks(measured),
        ]
    )


def pictures(measured: Measured) -> dict[str, str]:
    """Return the pictures by name."""
    return {"controller-cold-start": _cold_start(measured), "controller-ticks": _growth(measured)}


def medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median of each stage, in milliseconds; every run has the same stages."""
    return {stage: 1000 * statistics.median(run[stage] for run in runs) for stage in runs[0]}


def _starts(measured: Measured) -> str:
    lines = []
    for name, case in measured.starts.items():
        cpu = Figures.of(each * 1000 for each in case.cpu_s)
        count = measured.instructions.get(name)
        counted = f"{count:.2f}" if count else ""
        lines.append((_START_NAMES[name], f"{cpu:.0f}", counted, f"{Figures.of(case.rss_mib):.0f}"))
    return table(("start", "CPU ms", "10⁹ instructions (valgrind, once)", "peak MiB"), lines)


def _stages(stages: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    columns = {name: medians(runs) for name, runs in stages.items()}
    names = list(columns["deployed"])
    lines = [(name, *(f"{columns[bundle][name]:.0f}" for bundle in _BUNDLES)) for name in names]
    lines.append(("all", *(f"{sum(columns[bundle].values()):.0f}" for bundle in _BUNDLES)))
    return table(("stage", *_BUNDLES.values()), lines)


def _ticks(measured: Measured) -> str:
    calls = {(each["members"], each["others"]): each for each in measured.calls}
    lines = []
    for (members, others), asked in calls.items():
        by = measured.account if others else measured.ticks
        of = others or members
        ours, bare = (Figures.of(by[who][of]) for who in ("ours", "bare"))
        sizes = f"{(asked['aws_bytes'] + asked['etcd_bytes']) / 1024:.1f}"
        lines.append(
            (str(members), str(others), f"{ours:.1f}", f"{bare:.1f}", str(asked["aws"]), str(asked["etcd"]), sizes)
        )
    head = (
        "members",
        "other groups, and instances",
        "ours",
        "the bare calls",
        "AWS calls",
        "etcd calls",
        "KiB answered",
    )
    return table(head, lines)


def _cold_start(measured: Measured) -> str:
    columns = {name: medians(runs) for name, runs in measured.stages.items()}
    with picture(height=2.6) as drawn:
        (axes,) = drawn.axes
        for number, bundle in enumerate(reversed(list(_BUNDLES))):
            left = 0.0
            for (stage, took), colour in zip(columns[bundle].items(), _COLOURS, strict=True):
                label = stage if number == 0 else None
                axes.barh(number, took, left=left, color=colour, edgecolor="white", linewidth=0.5, label=label)
                left += took
            axes.text(left + 5, number, f"{left:.0f}", va="center")
        axes.set_yticks(range(len(_BUNDLES)), list(_BUNDLES.values())[::-1])
        needs = 1000 * statistics.median(measured.starts["needs"].cpu_s)
        axes.axvline(needs, color=MARK, linestyle="--", linewidth=1)
        axes.text(
            needs, len(_BUNDLES) - 0.45, "bare imports and clients", color=MARK, ha="center", va="bottom", fontsize=8
        )
        axes.set_xlabel("cold start and first tick, CPU ms")
        axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.28), ncols=4, frameon=False)
        return drawn.svg()


def _growth(measured: Measured) -> str:
    with picture(rows=2, height=4.2) as drawn:
        upper, lower = drawn.axes
        for axes, by in ((upper, measured.ticks), (lower, measured.account)):
            for who, colour, label in (("ours", OURS, "ours"), ("bare", FLOOR, "the bare calls")):
                figures = {count: Figures.of(values) for count, values in by[who].items()}
                _line(axes, figures, colour, label)
            axes.set_ylim(bottom=0)
            axes.set_ylabel("CPU ms a tick")
        upper.set_xlabel("members")
        upper.set_xticks(list(measured.ticks["ours"]))
        lower.set_xscale("log")
        lower.set_xlabel("other groups, and as many instances, in the account (3 members)")
        upper.legend(frameon=False)
        return drawn.svg()


def _line(axes: Axes, figures: Mapping[int, Figures], colour: str, label: str) -> None:
    counts = list(figures)
    middle = [each.median or 0.0 for each in figures.values()]
    least, most = ([end(each.values) for each in figures.values()] for end in (min, max))
    axes.fill_between(counts, least, most, color=colour, alpha=0.15)
    axes.plot(counts, middle, color=colour, marker="o", markersize=3, label=label)
