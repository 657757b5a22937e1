"""The two pictures of ``scale``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.pictures import FLOOR, MARK, OURS, SEED, picture

_GREYS: Final = ("-", "--", "-.", ":")


def quotas(
    sizes: Sequence[int],
    rates: Mapping[str, Sequence[float]],
    numbers: Mapping[str, Sequence[float]],
    missed: Mapping[str, Sequence[float]],
) -> str:
    """Draw how much of each quota is used, and what part of the ticks is missed, by the number of clusters."""
    with picture(rows=2, width=8.0, height=7.5) as drawn:
        use, ticks = drawn.axes
        for number, (name, values) in enumerate(rates.items()):
            use.loglog(sizes, values, color=OURS, linestyle=_GREYS[number % len(_GREYS)], label=name)
        for number, (name, values) in enumerate(numbers.items()):
            use.loglog(sizes, values, color=MARK, linewidth=0.9, linestyle=_GREYS[number % len(_GREYS)], label=name)
        use.axhline(1.0, color=SEED)
        use.annotate("the quota", (sizes[0], 1.15), color=SEED)
        use.set_ylim(1e-3, 200)
        use.set_ylabel("demand to quota")
        use.set_title("settled clusters in one account and region, default quotas", loc="left")
        use.legend(frameon=False, fontsize=7, loc="lower right", ncols=2)
        for (name, values), color in zip(missed.items(), (OURS, SEED, FLOOR), strict=True):
            ticks.semilogx(sizes, [100 * value for value in values], color=color, label=name)
        ticks.set_ylim(-3, 103)
        ticks.set_ylabel("ticks without a decision, %")
        ticks.set_xlabel("clusters")
        ticks.legend(frameon=False, fontsize=8, loc="upper left")
        return drawn.svg()


def costs(bills: Mapping[str, Mapping[str, float]]) -> str:
    """Draw what a cluster costs a month, item by item, one bar for each bill."""
    with picture(width=8.0, height=2.6) as drawn:
        (axes,) = drawn.axes
        names = list(bills)
        left = [0.0] * len(names)
        for number, item in enumerate(next(iter(bills.values()))):
            values = [bills[name][item] for name in names]
            axes.barh(names, values, left=left, color=f"C{number}", label=item)
            left = [begin + value for begin, value in zip(left, values, strict=True)]
        axes.invert_yaxis()
        axes.set_xlabel("dollars a month and cluster, without instances and network")
        axes.legend(frameon=False, fontsize=8, ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0))
        return drawn.svg()
