"""A CA of the tests, with `cryptography`, of which the agent has nothing."""

from __future__ import annotations

import datetime as dt
import ipaddress
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from etcd_aws_agent.render import MEMBER_CN

HOUR_S = 3600.0
BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class Authority:
    """Issues what it is asked for, good or not; below another one, or by itself."""

    name: str = "ca"
    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    root: Authority | None = None

    @cached_property
    def pem(self) -> str:
        issuer = self.root or self
        builder = _builder(_name(self.name), _name(issuer.name), self.key.public_key(), -HOUR_S, 1000 * HOUR_S)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        return _pem(builder.sign(issuer.key, hashes.SHA256()))

    def issue(
        self,
        public_key: ec.EllipticCurvePublicKey,
        name: str,
        addresses: Sequence[str],
        *,
        since_s: float = -HOUR_S,
        until_s: float = 10 * HOUR_S,
        usages: Sequence[x509.ObjectIdentifier] = BOTH,
    ) -> str:
        """Return a certificate (PEM) whose times are relative to now."""
        builder = _builder(_name(name), _name(self.name), public_key, since_s, until_s)
        if addresses:
            names = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
        return _pem(builder.sign(self.key, hashes.SHA256()))

    def answer(self, request: str, addresses: Sequence[str], **changes: float) -> str:
        """Return a certificate for the key of a certificate request."""
        asked = x509.load_pem_x509_csr(request.encode())
        assert asked.is_signature_valid
        public_key = asked.public_key()
        assert isinstance(public_key, ec.EllipticCurvePublicKey)
        return self.issue(public_key, MEMBER_CN, addresses, **changes)  # type: ignore[arg-type]


def key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, since_s: float, until_s: float
) -> x509.CertificateBuilder:
    now = dt.datetime.fromtimestamp(time.time(), dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(seconds=since_s))
        .not_valid_after(now + dt.timedelta(seconds=until_s))
    )
