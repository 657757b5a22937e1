"""When requests for certificates are looked for: soon where somebody may wait for an answer, else seldom.

Parameter Store answers 40 reads a second in a whole account and region (docs/performance.md, "Scale and cost").
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from urllib.parse import urlsplit

from ..core.certificates import Applicant
from ..core.model import LEAVING, POOL
from ..core.ports import Clock
from ..core.view import View

SETTLED = timedelta(minutes=5)
"""Where all members answer. Whoever asks is announced; this is for an announcement that was lost."""

CLIENTS_MEANWHILE = timedelta(seconds=10)
"""Where a host may wait. An announcement waits for the run's end then."""

_NEVER = float("-inf")
_PART_OF_THE_WAIT = 8
_SHORTEST = timedelta(milliseconds=200)
_LONGEST_AFTER_A_FAILURE = timedelta(seconds=10)  # less than a tick: each tick tries again, and the alarm counts ticks


class Rounds:
    """Tells what is due, and takes note of what was done.

    Args:
        clock: Time.
        longest: Between two looks at hosts' requests within a run that waits for a host, however long it has waited.
    """

    def __init__(self, *, clock: Clock, longest: timedelta) -> None:
        self._clock = clock
        self._longest = longest
        self._looked_at = dict.fromkeys(Applicant, _NEVER)
        self._not_before = _NEVER

    def announce(self) -> None:
        """Somebody asks for a certificate: all is due."""
        self._looked_at = dict.fromkeys(Applicant, _NEVER)

    def due(self, view: View) -> frozenset[Applicant]:
        """Return whose requests are to be looked for now: hosts' alone where one may wait for the answer."""
        now = self._clock.monotonic()
        if now < self._not_before:
            return frozenset()
        pause = pause_for(view, longest=self._longest)
        of_all = SETTLED if pause is None else CLIENTS_MEANWHILE
        if now - self._looked_at[Applicant.CLIENT] >= of_all.total_seconds():
            return frozenset(Applicant)
        if pause is None or now - self._looked_at[Applicant.HOST] < pause.total_seconds():
            return frozenset()
        return frozenset({Applicant.HOST})

    def looked(self, at: Collection[Applicant]) -> None:
        """These were looked for, and all went well."""
        self._looked_at |= dict.fromkeys(at, self._clock.monotonic())

    def failed(self) -> None:
        """It did not work: what is due stays so, but an AWS that fails is not asked at the pace of one that answers."""
        self._not_before = self._clock.monotonic() + min(self._longest, _LONGEST_AFTER_A_FAILURE).total_seconds()


def pause_for(view: View, *, longest: timedelta) -> timedelta | None:
    """Return how long a look at hosts' requests is good for; None where no host can be waiting for an answer.

    A host asks before its etcd starts, so who waits does not answer; who may still answer does not count. How soon one
    asks is not known, but an answer that is late by a small part of what the host took to boot is soon enough, and a
    host that boots for long costs few reads.
    """
    answering = {urlsplit(each).hostname for each in (*(r.endpoint for r in view.answering()), *view.asked)}
    ages_s = [
        view.observed_at - i.launched_at
        for i in view.group.instances
        if i.private_ip is not None and i.private_ip not in answering
        if i.lifecycle not in LEAVING | POOL and not i.ec2_state.is_ending
    ]
    if not ages_s:
        return None
    return min(max(timedelta(seconds=max(min(ages_s), 0.0)) / _PART_OF_THE_WAIT, _SHORTEST), longest)
