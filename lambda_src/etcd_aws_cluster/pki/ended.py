"""Clients' certificates that ended long ago: nobody else deletes what a client leaves behind."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509

from ..core.certificates import Applicant, CertificateTray
from ..core.ports import Clock
from ..core.telemetry import Telemetry
from ..core.view import View
from .certificates import UNREADABLE

KEPT_FOR = timedelta(days=7)
"""After its end, for people who look into why a client is refused."""

_EVERY = timedelta(hours=1)
_MOST_AT_ONCE = 20


class EndedCertificates:
    """A chore: each hour, the first time an hour after it was made, deletes clients' certificates that are long over.

    Hosts' are deleted when their instances are gone (``desk``). A client's name is known to nobody here, so only time
    tells that its certificate is of no use to anybody. What cannot be read as a certificate stays.
    """

    name = "deleting ended certificates"

    def __init__(self, *, tray: CertificateTray, clock: Clock, telemetry: Telemetry) -> None:
        self._tray = tray
        self._clock = clock
        self._telemetry = telemetry
        self._next = clock.monotonic() + _EVERY.total_seconds()

    def run(self, view: View) -> None:
        """Delete some, if it is time; the rest in an hour.

        Raises:
            AwsError: A call failed; in an hour it is tried again.
        """
        del view
        if self._clock.monotonic() >= self._next:
            self._next = self._clock.monotonic() + _EVERY.total_seconds()
            self.tidy()

    def tidy(self) -> None:
        """Delete some now.

        Raises:
            AwsError: A call failed.
        """
        found = self._tray.certified(Applicant.CLIENT)
        for name in [name for name, text in found.items() if self._is_over(text)][:_MOST_AT_ONCE]:
            # The client may have asked again since, and another controller have answered.
            if self._is_over(self._tray.read_certificate(Applicant.CLIENT, name)):
                self._tray.delete_certificate(Applicant.CLIENT, name)
                self._telemetry.decision("Certify", "DELETED", f"client-certificate of {name}, which ended long ago")

    def _is_over(self, text: str | None) -> bool:
        try:
            end = x509.load_pem_x509_certificate((text or "").encode()).not_valid_after_utc
        except UNREADABLE:
            return False
        return self._clock.now() >= end.timestamp() + KEPT_FOR.total_seconds()
