"""The chore that keeps the cluster's DNS names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from ..core.dns import Change, Domain, RecordSet, change_batch, desired_records
from ..core.errors import ClusterError
from ..core.ports import Clock
from ..core.view import View

VERIFY_AFTER = timedelta(minutes=10)
"""What was written is believed for that long; then the zone is read again, for others may write to it."""

PAUSE_AFTER_FAILURE = timedelta(seconds=30)
"""A zone that does not answer is left alone for that long: waiting for it would hold up the cluster."""


class Zone(Protocol):
    """A Route 53 hosted zone."""

    def records(self, domain: str) -> Sequence[RecordSet]:
        """Return the plain A, SRV and TXT records at or below a name.

        Raises:
            AwsError: A call failed.
        """

    def change(self, changes: Sequence[Change]) -> None:
        """Make all changes at once, or none.

        Raises:
            AwsError: The call failed: none was made, or no answer came.
        """


class KeepNames:
    """Lets the names follow the voters; one list and one change batch where something changed, else no call."""

    name = "DNS"

    def __init__(self, *, zone: Zone, domain: Domain, clock: Clock) -> None:
        self._zone = zone
        self._domain = domain
        self._clock = clock
        self._known: tuple[RecordSet, ...] | None = None
        self._good_until = float("-inf")
        self._not_before = float("-inf")

    def run(self, view: View) -> None:
        """Write what is missing and delete what is over.

        Raises:
            AwsError: Route 53 did not answer, or not with yes. The next attempt is half a minute away.
            NameTakenError: The names are somebody else's.
        """
        now = self._clock.monotonic()
        wanted = desired_records(view, self._domain)
        if wanted is None or now < self._not_before or (wanted == self._known and now < self._good_until):
            return
        self._known = None
        try:
            changes = change_batch(self._zone.records(self._domain.name), wanted, self._domain, view.group)
            if changes:
                self._zone.change(changes)
        except ClusterError:
            self._not_before = self._clock.monotonic() + PAUSE_AFTER_FAILURE.total_seconds()
            raise
        self._known = wanted
        self._good_until = now + VERIFY_AFTER.total_seconds()
