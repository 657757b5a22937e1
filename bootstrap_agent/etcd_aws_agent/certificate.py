"""Whether key, certificate and CAs work together: a TLS handshake in memory, with the same rules as etcd's.

The standard library reads no certificate by itself; what a peer would be told, it tells.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from etcd_aws_agent.errors import MaterialError

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----", re.ASCII)
# As Go, and so etcd: what is in the bundle is trusted, a root or not. Python has had a name for it since 3.10.
_PARTIAL_CHAIN = getattr(ssl, "VERIFY_X509_PARTIAL_CHAIN", 0x80000)
# One side may have more to say when the other has ended.
_ROUNDS = 10


class Material(NamedTuple):
    """PEM texts of one host.

    Attributes:
        ca: certificates of the CAs to trust, the signing one first.
        certificate: the host's, and perhaps intermediate ones after it.
        key: its private key; never in a log or an error.
    """

    ca: str
    certificate: str
    key: str

    def __repr__(self) -> str:
        return "Material(...)"


class Fit(NamedTuple):
    """What a certificate that works says of itself; times in epoch seconds.

    Attributes:
        is_of_first_ca: the first CA of the bundle issued it.
    """

    not_before: float
    not_after: float
    is_of_first_ca: bool

    def is_due(self, now: float, renew_at: float) -> bool:
        """Tell whether another certificate should be asked for."""
        return not self.is_of_first_ca or now >= self.not_before + renew_at * (self.not_after - self.not_before)


def check(material: Material, address: str) -> Fit:
    """Return how the certificate fits: its key, its CAs, this address, now, as a server and as a client.

    Raises:
        MaterialError: says what does not fit.
    """
    if any(not text.isascii() for text in (material.ca, material.certificate, material.key)):
        raise MaterialError("it has characters that PEM does not have")
    cas = _CERTIFICATE.findall(material.ca)
    if not cas:
        raise MaterialError("the CA bundle has no certificate (PEM)")
    with _as_files(material) as (certificate, key):
        fit = _handshake("\n".join(cas), certificate, key, address)
        if len(cas) == 1:
            return fit
        try:
            _handshake(cas[0], certificate, key, address)
        except MaterialError:
            return Fit(fit.not_before, fit.not_after, is_of_first_ca=False)
        return fit


@contextmanager
def _as_files(material: Material) -> Iterator[tuple[str, str]]:
    """Lend the paths of files in memory, for `ssl` takes keys from files only."""
    descriptors = []
    try:
        for text in (material.certificate, material.key):
            descriptors.append(os.memfd_create("tls"))
            with open(descriptors[-1], "w", encoding="ascii", closefd=False) as file:
                file.write(text)
        certificate, key = (f"/proc/self/fd/{descriptor}" for descriptor in descriptors)
        yield certificate, key
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _handshake(ca: str, certificate: str, key: str, address: str) -> Fit:
    server = _context(ssl.PROTOCOL_TLS_SERVER, ca, certificate, key)
    client = _context(ssl.PROTOCOL_TLS_CLIENT, ca, certificate, key)
    client.check_hostname = True
    client.hostname_checks_common_name = False  # etcd looks at no CN either
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=address)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    try:
        _shake_hands(here, there)
    except ssl.SSLCertVerificationError as error:
        raise MaterialError(_verification_problem(error, address)) from None
    except ssl.SSLError as error:
        raise MaterialError(f"a TLS handshake with this certificate fails: {error.reason or error}") from None
    told = here.getpeercert() or {}
    return Fit(_seconds(told, "notBefore"), _seconds(told, "notAfter"), is_of_first_ca=True)


def _verification_problem(error: ssl.SSLCertVerificationError, address: str) -> str:
    if "mismatch" in error.verify_message:
        return f"the certificate is not for {address}: expected it among the IP addresses of its subjectAltName"
    return f"the certificate is not good for TLS at {address}: {error.verify_message}"


def _context(protocol: int, ca: str, certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= _PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=ca)
    except (ssl.SSLError, ValueError) as error:
        raise MaterialError(f"the CA bundle cannot be read: {error}") from None
    try:
        # Without a password, OpenSSL would ask for one on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        if "MISMATCH" in (error.reason or ""):
            raise MaterialError("the certificate is for another key") from None
        raise MaterialError(f"certificate or key cannot be read (PEM, the key not encrypted): {error}") from None
    except (OSError, ValueError) as error:
        raise MaterialError(f"certificate or key cannot be read (PEM, the key not encrypted): {error}") from None
    return context


def _shake_hands(*sides: ssl.SSLObject) -> None:
    waiting = set(sides)
    for _ in range(_ROUNDS):
        for side in sides:
            try:
                side.do_handshake()
                waiting.discard(side)
            except ssl.SSLWantReadError:  # noqa: PERF203 - the other side's turn
                pass
        if not waiting:
            return
    raise ssl.SSLError("it does not end")


def _seconds(told: object, key: str) -> float:
    value = told.get(key) if isinstance(told, dict) else None
    try:
        return float(ssl.cert_time_to_seconds(str(value)))
    except ValueError:
        raise MaterialError(f"the certificate's {key} is {value!r}; expected a time") from None
