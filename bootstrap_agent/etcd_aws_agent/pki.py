"""The loop for key and certificates: look at the disk and at AWS; write what is good; ask, wait and look again."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple, Protocol

from etcd_aws_agent import backoff
from etcd_aws_agent.certificate import Fit, Material, check
from etcd_aws_agent.clock import Clock
from etcd_aws_agent.errors import ExitCode, MaterialError, NoMaterialError, OpensslError, ReadError
from etcd_aws_agent.pki_files import CA, CERTIFICATE, KEY, PkiFiles
from etcd_aws_agent.plan import OUTAGE_PATIENCE_S

# A controller that is well answers within seconds; one that is not is asked again by the next run of the timer.
RENEWAL_PATIENCE_S = 120.0


class Look(NamedTuple):
    """One look at the disk and at the source, and what follows from it.

    Attributes:
        best: material that works by what AWS says now; None if there is none.
        is_done: `best` is all that there is to have.
        usable: what is on the disk works by itself, which has to do where AWS does not answer.
        reason: what is missing, or why nothing is.
        may_ask: asking for a certificate could help.
        is_unanswered: AWS did not answer; this says nothing about what is there.
        is_refused: the source has material that does not work.
    """

    best: Material | None
    is_done: bool
    usable: bool
    reason: str
    may_ask: bool = False
    is_unanswered: bool = False
    is_refused: bool = False


class Source(Protocol):
    """Where certificates come from."""

    def look(self) -> Look:
        """Read the disk and AWS; changes nothing, never waits; raises OSError."""

    def ask(self, *, may_make_key: bool) -> str:
        """Ask for a certificate if it is time to; return what was done. Raises ReadError, OpensslError or OSError."""

    def delay_s(self, looks: int, waited_s: float, fraction: float) -> float:
        """Return how long to wait before the next look."""


class Certificates:
    """Has the files of one host right before etcd starts, and keeps them so.

    Attributes:
        files: where they are.
        log: takes an event and its fields.
    """

    def __init__(
        self,
        *,
        source: Source,
        files: PkiFiles,
        clock: Clock,
        log: Callable[..., None],
        deadline_s: float | None,
    ) -> None:
        self.files = files
        self.log = log
        self._source = source
        self._clock = clock
        self._deadline_s = deadline_s
        self._began = clock.monotonic()
        self._failures = 0
        self._looks = 0

    def obtain(self) -> ExitCode:
        """Wait until the files are good, for at most the deadline; return OK or what a run should end with.

        Raises:
            MaterialError: own material does not work, nor does what is on the disk.
            OpensslError: there is no key, and none can be made.
            OSError: the disk cannot be read or written.
        """
        look = self._wait(patience_s=OUTAGE_PATIENCE_S, until_s=self._deadline_s, may_make_key=True)
        if look.best is not None or look.usable:
            self._put(look)
            return ExitCode.OK
        if look.is_refused:
            raise MaterialError(look.reason)
        return self._give_up(look)

    def renew(self) -> ExitCode:
        """Look once, and ask for another certificate if this one is due; return OK or what a run should end with.

        Raises:
            NoMaterialError: there is nothing to renew.
            MaterialError: own material does not work; what is on the disk stays.
            OpensslError: the key on the disk is no key, or there is no openssl.
            OSError: the disk cannot be read or written.
        """
        missing = [name for name in (KEY, CERTIFICATE, CA) if self.files.read(name) is None]
        if missing:
            raise NoMaterialError(
                f"nothing to renew: no {', '.join(missing)} in {self.files.directory}; "
                "the run before etcd's start makes them"
            )
        until_s = min(RENEWAL_PATIENCE_S, self._deadline_s or RENEWAL_PATIENCE_S)
        look = self._wait(patience_s=None, until_s=until_s, may_make_key=False)
        if look.is_refused:
            raise MaterialError(look.reason)
        if CA in self._put(look):
            self.log("note", reason=f"{CA} is new: etcd reads it when it starts, and not before")
        return ExitCode.OK if look.is_done else self._give_up(look)

    def look(self) -> Look:
        """Read the disk and AWS; changes nothing."""
        return self._source.look()

    def _wait(self, *, patience_s: float | None, until_s: float | None, may_make_key: bool) -> Look:
        """Look and ask until there is nothing more to have, or time is up; patience is for what works and is due."""
        said = ""
        while True:
            look = self._source.look()
            self._looks += 1
            problem = self._ask(look, may_make_key=may_make_key) if look.may_ask else ""
            self._failures = self._failures + 1 if look.is_unanswered or problem else 0
            waited_s = self._clock.monotonic() - self._began
            left_s = float("inf") if until_s is None else until_s - waited_s
            has_something = look.best is not None or look.usable
            is_patient = not has_something or patience_s is None or waited_s < patience_s
            if look.is_done or look.is_refused or left_s <= 0 or not is_patient:
                return look
            reason = problem or look.reason
            if reason != said:
                said = reason
                self.log("waiting", reason=reason)
            # Never for less than a clock can tell: the end would not come.
            self._clock.sleep(max(backoff.SHORTEST_S, min(self._delay_s(waited_s), left_s)))

    def _ask(self, look: Look, *, may_make_key: bool) -> str:
        """Return what went wrong, if anything."""
        try:
            done = self._source.ask(may_make_key=may_make_key)
        except ReadError as error:
            return str(error)
        except OpensslError as error:
            if look.best is None and not look.usable:
                raise
            return str(error)
        if done:
            self.log("asked", reason=done)
        return ""

    def _delay_s(self, waited_s: float) -> float:
        fraction = random.random()  # noqa: S311 - jitter
        if self._failures:
            return backoff.after_failures(self._failures, fraction)
        return self._source.delay_s(self._looks, waited_s, fraction)

    def _put(self, look: Look) -> list[str]:
        """Write what is new and return its names.

        The CAs last: the old ones go with the old certificate and with the new one.
        """
        changed: list[str] = []
        if look.best is not None:
            texts = {KEY: look.best.key, CERTIFICATE: look.best.certificate, CA: look.best.ca}
            changed = [name for name, text in texts.items() if self.files.write(name, text)]
        self.files.settle()
        self.log(
            "certificates",
            reason=look.reason,
            directory=self.files.directory,
            changed=",".join(changed) or "nothing",
        )
        return changed

    def _give_up(self, look: Look) -> ExitCode:
        code = ExitCode.CERTIFICATE_NOT_IN_TIME
        self.log("gave up", reason=look.reason, exit=int(code))
        return code


def fit_of(material: Material | None, address: str) -> tuple[Fit | None, str]:
    """Return how material fits, or None and what is wrong with it."""
    if material is None:
        return None, "there is none"
    try:
        return check(material, address), ""
    except MaterialError as error:
        return None, str(error)
