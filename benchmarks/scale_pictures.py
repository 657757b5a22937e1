"""The two pictures of ``scale``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.pictures import FLOOR, MARK, OURS, SEED, picture

_LINES: Final = ("-", "--", "-.", ":")


def quotas(
    sizes: Sequence[int],
    rates: Mapping[str, float],
    numbers: Mapping[str, float],
    lost: Mapping[str, Sequence[float]],
) -> str:
    """Draw how much of each quota is used, and what is lost of the ticks, by the number of clusters.

    Args:
        sizes: Numbers of clusters.
        rates: By name of the quota, the number of clusters that use it up.
        numbers: The same of quotas of numbers.
        lost: By name, a part for each of the sizes.
    """
    with picture(rows=2, width=9.0, height=7.0) as drawn:
        use, ticks = drawn.axes
        for color, binding in ((MARK, numbers), (OURS, rates)):
            for number, (name, most) in enumerate(sorted(binding.items(), key=lambda item: item[1])):
                line = _LINES[number % len(_LINES)]
                told = f"{name}: {most:,.0f}"
                use.loglog(sizes, [n / most for n in sizes], color=color, linestyle=line, linewidth=1.2, label=told)
        use.axhline(1.0, color=SEED)
        use.annotate("the quota", (sizes[0], 1.2), color=SEED)
        use.set_ylim(1e-3, 200)
        use.set_ylabel("used of the quota")
        use.set_title("settled clusters in one account and region, default quotas", loc="left")
        use.legend(
            frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), title="clusters that fill it"
        )
        for (name, values), color in zip(lost.items(), (OURS, SEED, FLOOR), strict=True):
            ticks.semilogx(sizes, [100 * value for value in values], color=color, label=name)
        ticks.set_ylim(-3, 103)
        ticks.set_ylabel("%")
        ticks.set_xlabel("clusters")
        ticks.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
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
        axes.set_ylabel("clusters")
        axes.set_xlabel("dollars a month for each, without instances and network")
        axes.legend(frameon=False, fontsize=8, ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0))
        return drawn.svg()
