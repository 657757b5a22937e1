"""Certificates from the controller: the key is made here and stays here (docs/decisions/0015-tls.md)."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple, Protocol

from etcd_aws_agent import backoff, key
from etcd_aws_agent.certificate import Fit, Material
from etcd_aws_agent.clock import Clock
from etcd_aws_agent.errors import OpensslError, ReadError
from etcd_aws_agent.identity import Identity
from etcd_aws_agent.pki import Look, fit_of
from etcd_aws_agent.pki_files import KEY, PkiFiles
from etcd_aws_agent.settings import PARAMETER_ROOT


class Parameters(Protocol):
    """Parameter Store."""

    def get(self, name: str) -> str | None:
        """Return a parameter's value or None; raises ReadError."""

    def put(self, name: str, value: str) -> None:
        """Create or overwrite a parameter of type String; raises ReadError."""


class ControllerAsCa:
    """Asks the controller, and takes what fits.

    Args:
        now: epoch seconds.
        renew_at: part of a certificate's life after which another is asked for.
    """

    def __init__(
        self,
        *,
        cluster_name: str,
        identity: Identity,
        parameters: Parameters,
        files: PkiFiles,
        renew_at: float,
        clock: Clock,
        now: Callable[[], float],
        log: Callable[..., None],
    ) -> None:
        prefix = f"{PARAMETER_ROOT}/{cluster_name}"
        self._bundle = f"{prefix}/ca-bundle"
        self._request = f"{prefix}/certificate-requests/{identity.instance_id}"
        self._answer = f"{prefix}/certificates/{identity.instance_id}"
        self._identity = identity
        self._parameters = parameters
        self._files = files
        self._renew_at = renew_at
        self._clock = clock
        self._now = now
        self._log = log
        self._request_text: str | None = None
        self._asked = 0
        self._ask_at = float("-inf")

    def look(self) -> Look:
        """Read the disk and AWS; changes nothing."""
        here = self._files.material()
        usable, _ = fit_of(here, self._identity.private_ip)
        is_usable = usable is not None
        try:
            return self._judge(here, is_usable=is_usable)
        except ReadError as error:
            return Look(None, is_done=False, usable=is_usable, reason=str(error), is_unanswered=True)

    def _judge(self, here: Material | None, *, is_usable: bool) -> Look:
        own_key = self._files.read(KEY)
        if own_key is None:
            return Look(None, is_done=False, usable=False, reason="no key yet", may_ask=True)
        # While there is only an answer to wait for, one read a look is enough.
        bundle = self._parameters.get(self._bundle) if here else None
        kept = self._candidate(bundle, here.certificate if here else None, own_key)
        if kept.is_done(self._now(), self._renew_at):
            return Look(kept.material, is_done=True, usable=True, reason="the certificate on the disk is good")
        answer = self._parameters.get(self._answer)
        if answer is not None and bundle is None:
            bundle = self._parameters.get(self._bundle)
        given = self._candidate(bundle, answer, own_key)
        best = max(kept, given, key=_Candidate.worth)
        if best.is_done(self._now(), self._renew_at):
            return Look(best.material, is_done=True, usable=True, reason="the controller's answer is good")
        # What works by the CAs on the disk counts only as long as there are no others.
        return Look(
            best.material if best.fit else None,
            is_done=False,
            usable=is_usable and bundle is None,
            reason=f"on the disk: {kept.problem}; from the controller: {given.problem}",
            may_ask=True,
        )

    def _candidate(self, bundle: str | None, certificate: str | None, own_key: str) -> _Candidate:
        if certificate is None:
            return _Candidate(None, None, "no certificate")
        if bundle is None:
            return _Candidate(None, None, "no CA bundle to check it by")
        material = Material(bundle, certificate, own_key)
        fit, problem = fit_of(material, self._identity.private_ip)
        return _Candidate(material, fit, problem or "a certificate that is due to be renewed")

    def ask(self, *, may_make_key: bool) -> str:
        """Put a certificate request if it is time to; return what was done.

        Raises:
            OpensslError: there is no openssl; or the key is no key, and another may not be made.
            ReadError: the request could not be put.
            OSError: the key could not be written.
        """
        if self._clock.monotonic() < self._ask_at:
            return ""
        # Signatures are random: made anew, the same request would look like another.
        self._request_text = self._request_text or self._new_request(may_make_key=may_make_key)
        self._parameters.put(self._request, self._request_text)
        self._asked += 1
        # Who had to wait asks again: a request that was lost is never answered.
        self._ask_at = self._clock.monotonic() + backoff.before_asking_again(self._asked, random.random())  # noqa: S311
        return f"for a certificate in {self._request}"

    def delay_s(self, looks: int, waited_s: float, fraction: float) -> float:
        """Return how long to wait before the next look."""
        del looks
        return backoff.between_looks_for_certificate(waited_s, fraction)

    def _new_request(self, *, may_make_key: bool) -> str:
        path = str(self._files.path(KEY))
        if self._files.read(KEY) is not None:
            try:
                return key.new_request(path, self._identity.instance_id)
            except OpensslError as error:
                if not may_make_key:
                    raise
                self._log("warning", reason=f"the key on the disk is replaced: {error}")
        self._files.write(KEY, key.new_key())
        return key.new_request(path, self._identity.instance_id)


class _Candidate(NamedTuple):
    """A certificate that there is, and how it fits."""

    material: Material | None
    fit: Fit | None
    problem: str

    def is_done(self, now: float, renew_at: float) -> bool:
        return self.fit is not None and not self.fit.is_due(now, renew_at)

    def worth(self) -> tuple[bool, float, float]:
        """Order candidates: signed by the CA that signs now, lasts longer, is younger."""
        never = float("-inf")
        return (self.fit.is_of_first_ca, self.fit.not_after, self.fit.not_before) if self.fit else (False, never, never)
