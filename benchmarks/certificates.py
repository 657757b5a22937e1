"""A CA and one certificate for all members, made beforehand, as somebody without a controller would."""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_LIFE: Final = timedelta(days=1)


@dataclass(frozen=True)
class Files:
    """Where they are, PEM."""

    ca: Path
    certificate: Path
    key: Path

    @property
    def variables(self) -> Mapping[str, str]:
        """What tells an etcd to show them, and to want one from everybody."""
        told = {
            "TRUSTED_CA_FILE": str(self.ca),
            "CERT_FILE": str(self.certificate),
            "KEY_FILE": str(self.key),
            "CLIENT_CERT_AUTH": "true",
        }
        return {f"ETCD_{whose}{name}": value for name, value in told.items() for whose in ("", "PEER_")}

    def context(self) -> ssl.SSLContext:
        """What a client needs."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(self.certificate, self.key)
        return context


def make(folder: Path, addresses: Iterable[str]) -> Files:
    """Make them for members at these addresses; on one machine their peers all come from 127.0.0.1, as etcd checks."""
    folder.mkdir(parents=True, exist_ok=True)
    files = Files(folder / "ca.crt", folder / "etcd.crt", folder / "etcd.key")
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = _builder("benchmark CA", "benchmark CA", ca_key)
    ca = ca.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    names = [x509.IPAddress(ipaddress.ip_address(each)) for each in (*addresses, "127.0.0.1")]
    leaf = _builder("etcd", "benchmark CA", key).add_extension(x509.SubjectAlternativeName(names), critical=False)
    files.ca.write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    files.certificate.write_bytes(leaf.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def _builder(name: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.fromtimestamp(time.time(), tz=UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _LIFE)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
