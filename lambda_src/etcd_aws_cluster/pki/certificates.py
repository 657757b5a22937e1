"""Makes and reads certificates: values in, PEM out. Who may have one is decided in ``desk``.

Profiles follow RFC 5280; what etcd needs of them: https://etcd.io/docs/v3.5/op-guide/security/
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .errors import PkiError

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateKey = ec.EllipticCurvePrivateKey

MAX_REQUEST_CHARS = 4096
"""A standard parameter's limit: https://docs.aws.amazon.com/general/latest/gr/ssm.html"""

SKEW = timedelta(minutes=5)
"""Certificates begin that long ago, for hosts whose clocks are behind."""

MEMBER_CN = "etcd:member"
"""CN of every member and of nobody else: no client can be called so, for its name has no colon (``desk``).

Members refuse on their peer port who does not have it: the agent gives etcd the same words (``render``).
"""

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What ``cryptography`` raises for text that is no key or certificate, or an odd one."""

_CA_LIFE = timedelta(days=3653)
_RSA_BITS = range(2048, 4097)
_COMMON_NAME_CHARS = 64  # RFC 5280, ub-common-name
_BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
_LOOPBACK = ipaddress.ip_address("127.0.0.1")


class Subject(NamedTuple):
    """Whom a certificate is for.

    Attributes:
        name: Common name; empty for none.
        organization: Beside it, or in its place.
        dns_names: What a server is called; empty for who is a client only.
        addresses: What a server is reached by.
    """

    name: str = ""
    organization: str = ""
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def is_server(self) -> bool:
        """Whether anybody connects to it."""
        return bool(self.dns_names or self.addresses)

    def distinguished_name(self) -> x509.Name:
        """Return it as a certificate has it."""
        parts = ((NameOID.ORGANIZATION_NAME, self.organization), (NameOID.COMMON_NAME, self.name))
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts if value])

    def alternative_names(self) -> list[x509.GeneralName]:
        """Return them as a certificate has them."""
        addresses = (ipaddress.ip_address(a) for a in self.addresses)
        return [*map(x509.DNSName, self.dns_names), *map(x509.IPAddress, addresses)]


def host(instance_id: str, private_ip: str, also: Sequence[str] = ()) -> Subject:
    """Return a member's subject: at its instance id, its address, at loopback, and at the names of the cluster."""
    names = (instance_id, "localhost", *also)
    return Subject(name=MEMBER_CN, dns_names=names, addresses=(private_ip, str(_LOOPBACK)))


class Authority(NamedTuple):
    """One generation of the CA."""

    generation: int
    certificate: x509.Certificate
    key: PrivateKey

    @property
    def certificate_pem(self) -> str:
        """The certificate, for all to know."""
        return pem(self.certificate)

    def issue(self, subject: Subject, public_key: PublicKey, *, life: timedelta, now: float) -> x509.Certificate:
        """Return a certificate, signed; it never outlives the CA.

        Args:
            subject: Whom it is for.
            public_key: The subject's.
            life: From now on.
            now: Epoch seconds.

        Raises:
            PkiError: The CA has ended.
        """
        at = _at(now)
        if at >= self.certificate.not_valid_after_utc:
            raise PkiError(f"generation {self.generation} of the CA ended at {self.certificate.not_valid_after_utc}")
        builder = (
            _builder(subject.distinguished_name(), self.certificate.subject, public_key, at)
            .not_valid_after(min(at + life, self.certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(key_encipherment=isinstance(public_key, rsa.RSAPublicKey)), critical=True)
            .add_extension(x509.ExtendedKeyUsage(_BOTH if subject.is_server else _BOTH[1:]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if subject.is_server:
            builder = builder.add_extension(x509.SubjectAlternativeName(subject.alternative_names()), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def answers(self, text: str | None, subject: Subject, public_key: PublicKey, *, now: float) -> bool:
        """Whether a certificate (PEM) says just that of that key already, by this CA, and is young.

        Who has one asks again past half of its life: what is younger than a third is the answer to the same question.
        """
        try:
            certificate = x509.load_pem_x509_certificate((text or "").encode())
            certificate.verify_directly_issued_by(self.certificate)
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            names = x509.SubjectAlternativeName([])
        except (*UNREADABLE, InvalidSignature):
            return False  # whatever is wrong with it, a new one is issued in its place
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return (
            certificate.public_key() == public_key
            and certificate.subject == subject.distinguished_name()
            and list(names) == subject.alternative_names()
            and begin <= _at(now) < begin + (end - begin) / 3
        )


def new_authority(cluster: str, generation: int, *, now: float) -> Authority:
    """Make a generation of a cluster's CA, good for ten years."""
    key = new_key()
    number = f" CA {generation}"
    common_name = cluster[: _COMMON_NAME_CHARS - len(number)] + number
    name = Subject(name=common_name, organization=cluster[:_COMMON_NAME_CHARS]).distinguished_name()
    at = _at(now)
    certificate = (
        _builder(name, name, key.public_key(), at)
        .not_valid_after(at + _CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(generation=generation, certificate=certificate, key=key)


def load_authority(generation: int, certificate_pem: str, key_pem: str) -> Authority:
    """Read a generation of the CA.

    Raises:
        PkiError: It is not one, or the key is not the certificate's.
    """
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
        key = serialization.load_pem_private_key(key_pem.encode(), password=None)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (*UNREADABLE, x509.ExtensionNotFound) as error:
        raise PkiError(f"generation {generation} of the CA cannot be read: {type(error).__name__}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise PkiError(f"generation {generation} of the CA: the key is not the certificate's")
    if not constraints.ca:
        raise PkiError(f"generation {generation} of the CA: the certificate is not a CA's")
    return Authority(generation=generation, certificate=certificate, key=key)


def new_key() -> PrivateKey:
    """Make a key pair."""
    return ec.generate_private_key(ec.SECP256R1())


def requested_key(text: str) -> PublicKey:
    """Return the public key of a certificate request (CSR, PEM) whose sender has the private one.

    Nothing else of the request counts.

    Raises:
        PkiError: It is no such request, or its key is weak.
    """
    if len(text) > MAX_REQUEST_CHARS:
        raise PkiError(f"the request has {len(text)} characters, expected at most {MAX_REQUEST_CHARS}")
    try:
        request = x509.load_pem_x509_csr(text.encode())
        is_signed = request.is_signature_valid
        key = request.public_key()
    except Exception as error:  # a stranger's text: no list of what the library raises is known to be whole
        raise PkiError(f"the request is not a CSR in PEM: {type(error).__name__}") from error
    if not is_signed:
        raise PkiError("the request is not signed by its own key")
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in _RSA_BITS:
        return key
    raise PkiError(f"the request's key is {_kind(key)}, expected EC P-256 or P-384, or RSA of 2048 to 4096 bits")


def pem(certificate: x509.Certificate) -> str:
    """Return a certificate as text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key: PrivateKey) -> str:
    """Return a private key as text: a secret."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _builder(subject: x509.Name, issuer: x509.Name, public_key: PublicKey, at: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - SKEW)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, key_cert_sign: bool = False, key_encipherment: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not key_cert_sign,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _kind(key: object) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    return f"RSA of {key.key_size} bits" if isinstance(key, rsa.RSAPublicKey) else type(key).__name__


def _at(now: float) -> datetime:
    return datetime.fromtimestamp(int(now), UTC)
