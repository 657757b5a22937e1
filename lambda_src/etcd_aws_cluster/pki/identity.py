"""What the controller shows etcd: made here from the CA, or given by the operator, and renewed in time."""

from __future__ import annotations

import json
import ssl
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from ..core.certificates import CertificateEnds
from ..core.errors import AwsError, ClusterError
from .authorities import NOT_AGAIN_FOR, Authorities
from .certificates import UNREADABLE, Subject, key_pem, new_key, pem
from .errors import PkiError

_T = TypeVar("_T")

LIFE = timedelta(hours=1)

# No common name: where etcd has users, its JSON gateway turns away whoever shows one.
# https://github.com/etcd-io/etcd/blob/v3.5.21/server/embed/serve.go (accessController)
_SUBJECT = Subject(organization="etcd-aws-controller")

_RENEW_EVERY = LIFE / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """PEM texts of a client of etcd.

    Attributes:
        source: What it is called in messages.
        ca: The certificates to trust.
        certificate: The client's own, and what lies between it and a CA.
        ends_at: Of its own, in epoch seconds.
        is_given: An operator made it, and renews it.
    """

    source: str
    ca: str
    certificate: str
    key: str = field(repr=False)
    ends_at: float
    is_given: bool

    def ends(self) -> CertificateEnds:
        """Return when it ends, and the CAs that it hangs on: all of the bundle, and what lies between."""
        own, *between = x509.load_pem_x509_certificates(self.certificate.encode())
        cas = [*x509.load_pem_x509_certificates(self.ca.encode()), *between]
        return CertificateEnds(
            cas=min(ca.not_valid_after_utc for ca in cas).timestamp(),
            given=own.not_valid_after_utc.timestamp() if self.is_given else None,
        )


def issued_material(authorities: Authorities, now: Callable[[], float]) -> Material:
    """Make a key and a certificate of it for the controller: a client, for an hour.

    Raises:
        AwsError: The CA could not be read.
        PkiError: It cannot be used.
    """
    key, authority = new_key(), authorities.signing()
    issued = authority.issue(_SUBJECT, key.public_key(), life=LIFE, now=now())
    return Material(
        source="the controller's certificate",
        ca=authorities.present_bundle(),
        certificate=pem(issued),
        key=key_pem(key),
        ends_at=issued.not_valid_after_utc.timestamp(),
        is_given=False,
    )


def given_material(source: str, text: str, now: float) -> Material:
    """Read an operator's JSON object of ca, cert and key (PEM).

    Raises:
        PkiError: Names the source, the field and what is wrong with it, never its value.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None  # its message would hold a part of the text
    if not isinstance(fields, dict):
        raise PkiError(f"{source} is not a JSON object, expected one of ca, cert and key (PEM)")
    for name in ("ca", "cert", "key"):
        if not isinstance(fields.get(name), str) or "-----BEGIN " not in fields[name]:
            raise PkiError(f"{source}: field {name} is not PEM text")
    cas = _read(source, "ca", lambda: x509.load_pem_x509_certificates(fields["ca"].encode()))
    own = _read(source, "cert", lambda: x509.load_pem_x509_certificates(fields["cert"].encode()))[0]
    key = _read(source, "key", lambda: serialization.load_pem_private_key(fields["key"].encode(), password=None))
    if key.public_key() != own.public_key():
        raise PkiError(f"{source}: field key is not the key of the first certificate in cert")
    _check_usable(source, own, now)
    return Material(
        source=source,
        ca="".join(map(pem, cas)),  # without what people write between them, of which OpenSSL takes ASCII only
        certificate=fields["cert"],
        key=fields["key"],
        ends_at=own.not_valid_after_utc.timestamp(),
        is_given=True,
    )


def _read(source: str, name: str, read: Callable[[], _T]) -> _T:
    try:
        return read()
    except UNREADABLE as error:
        expected = "expected PEM, without a password" if name == "key" else "expected PEM"
        raise PkiError(f"{source}: field {name} cannot be read ({expected}): {type(error).__name__}") from None


def _check_usable(source: str, own: x509.Certificate, now: float) -> None:
    begin, end = own.not_valid_before_utc, own.not_valid_after_utc
    if not begin.timestamp() <= now < end.timestamp():
        raise PkiError(f"{source}: field cert is a certificate from {begin} to {end}, and it is {_utc(now)}")
    try:
        usage = own.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:  # then it may be used for anything
        return
    except UNREADABLE as error:
        raise PkiError(f"{source}: field cert cannot be read: {type(error).__name__}") from None
    if not {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usage):
        raise PkiError(f"{source}: field cert is no client's certificate, expected extended key usage clientAuth")


def _utc(now: float) -> datetime:
    return datetime.fromtimestamp(int(now), UTC)


class ClientIdentity:
    """Hands out a TLS context that trusts the cluster's CAs and shows the controller's certificate.

    One context serves all connections until half an hour has passed; then it is made anew. Where that fails, the old
    one is used until its certificate ends. Safe for threads.

    Args:
        make: Makes or reads what it shows.
        now: Epoch seconds.
        trouble: Told of what went wrong where the old one still serves, so that nobody else is.
    """

    def __init__(
        self,
        make: Callable[[], Material],
        *,
        now: Callable[[], float],
        trouble: Callable[[ClusterError], None] = lambda _: None,
    ) -> None:
        self._make = make
        self._now = now
        self._trouble = trouble
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._ends_at = 0.0
        self._ends = CertificateEnds()
        self._next_try = 0.0
        self._problem: ClusterError | None = None

    def __call__(self) -> ssl.SSLContext:
        """Return the context.

        Raises:
            AwsError: There is none, and what it is made from could not be read now, or a moment ago.
            PkiError: There is none, for what it is made from cannot be used.
        """
        with self._lock:
            now = self._now()
            if now >= self._next_try:
                self._renew(now)
            if self._context is None or now >= self._ends_at:
                raise self._problem or PkiError("the controller's certificate has ended")
            return self._context

    def ends(self) -> CertificateEnds:
        """Return when what it hands out ends, of what was read last; makes and reads nothing."""
        return self._ends

    def _renew(self, now: float) -> None:
        try:
            material = self._make()
            self._context, self._ends_at, self._ends = _context(material), material.ends_at, material.ends()
        except (AwsError, PkiError) as error:
            self._problem = error
            self._next_try = now + NOT_AGAIN_FOR.total_seconds()
            if now < self._ends_at:
                self._trouble(error)
        else:
            self._problem = None
            self._next_try = min(now + _RENEW_EVERY.total_seconds(), material.ends_at)


def _context(material: Material) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # as Go: what is in the bundle is trusted, a root or not
    try:
        context.load_verify_locations(cadata=material.ca)
        # The ssl module reads keys from files only: one for this user alone (mkstemp: 0600), for a moment.
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(f"{material.certificate}\n{material.key}".encode())
            file.flush()
            context.load_cert_chain(file.name)
    except (ssl.SSLError, OSError) as error:
        raise PkiError(f"{material.source} cannot be used: {error}") from error
    return context
