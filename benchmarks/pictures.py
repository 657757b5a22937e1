"""Pictures, as SVG that is the same for the same data."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

OURS, FLOOR, SEED, MARK = "#1f77b4", "#2ca02c", "#d62728", "#555555"
"""The colours of our way, of doing it by hand, of the seed's way, and of what is only marked."""

_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "path",  # shown alike everywhere
    "svg.hashsalt": "etcd-aws-cluster",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
}


class Picture:
    """One figure: ``axes`` to draw on, from top to bottom, and ``svg()`` once that is done."""

    def __init__(self, rows: int, width: float, height: float) -> None:
        self._figure = Figure(figsize=(width, height), layout="constrained")
        self.axes: tuple[Axes, ...] = tuple(self._figure.subplots(rows, 1, squeeze=False)[:, 0])

    def svg(self) -> str:
        """Return the picture as text."""
        with io.StringIO() as file:
            self._figure.savefig(file, format="svg", metadata={"Date": None})
            return file.getvalue()


@contextmanager
def picture(*, rows: int = 1, width: float = 8.0, height: float = 3.0) -> Iterator[Picture]:
    """Give a picture of so many axes; draw and call ``svg()`` inside the block, for the style is set only there.

    Args:
        rows: axes below each other.
        width: in inches.
        height: in inches.
    """
    with mpl.rc_context(_STYLE):
        yield Picture(rows, width, height)
