"""What a run does beside deciding about members: never a reason to hold that up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..core.telemetry import Metric, Telemetry
from ..core.view import View


class Chore(Protocol):
    """One such thing. Level-triggered like everything here: it sees what is so, and does what is missing."""

    @property
    def name(self) -> str:
        """What it is called in logs."""

    def run(self, view: View) -> None:
        """Do what the view gives reason to; called at looks (``Reconciler``).

        Raises:
            Exception: It did not work, for whatever reason; it is tried again at the next look.
        """


def do_chores(chores: Sequence[Chore], view: View, telemetry: Telemetry) -> None:
    """Do each, whatever became of the others."""
    for chore in chores:
        try:
            chore.run(view)
        except Exception as error:  # noqa: BLE001 - a mistake in a chore must not stop the cluster's members either
            telemetry.trouble(f"{chore.name} did not work", error)
            telemetry.count(Metric.CHORE_ERRORS)
