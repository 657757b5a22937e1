"""Certificates for tests, all from the shipped code: a CA in memory, files for etcd, contexts for clients."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from etcd_aws_cluster.core.errors import AwsError
from etcd_aws_cluster.pki.authorities import Authorities
from etcd_aws_cluster.pki.certificates import MEMBER_CN, PrivateKey, Subject, host, key_pem, new_key, pem, requested_key
from etcd_aws_cluster.pki.identity import ClientIdentity, issued_material


@dataclass
class FakeVault:
    """The port CaVault in a dict.

    Attributes:
        generations: What is in it.
        problem: Raised by every call, if set.
        lose_answers: Whether ``create`` fails after it has done its work.
    """

    generations: dict[int, str] = field(default_factory=dict)
    problem: AwsError | None = None
    lose_answers: bool = False

    def read(self, generation: int) -> str | None:
        if self.problem:
            raise self.problem
        return self.generations.get(generation)

    def create(self, generation: int, text: str) -> None:
        if self.problem:
            raise self.problem
        self.generations.setdefault(generation, text)
        if self.lose_answers:
            raise AwsError("the answer was lost")


def authorities(vault: FakeVault | None = None, *generations: int, now: Callable[[], float] = time.time) -> Authorities:
    """Return a CA, of generation 1 unless told otherwise."""
    return Authorities(vault=vault or FakeVault(), cluster="etcd", generations=generations or (1,), now=now)


def csr(key: object, name: str = "whatever") -> str:
    """Return a certificate request that a host would send."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]
    return signed.public_bytes(serialization.Encoding.PEM).decode()


@dataclass
class Pki:
    """A CA, and the files that it makes.

    Args:
        directory: Where they go.
    """

    directory: Path
    ca: Authorities = field(default_factory=authorities)
    _keys: dict[str, PrivateKey] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "ca.pem").write_text(self.ca.bundle())

    def member_flags(self, name: str, address: str) -> Mapping[str, str]:
        """Return etcd's options, by name, of a member there that checks its peers, with files that were made for it."""
        certificate, key = self.files(name, host("i-0a", address))
        ca = str(self.directory / "ca.pem")
        both = {"cert-file": certificate, "key-file": key, "trusted-ca-file": ca, "client-cert-auth": "true"}
        peers = {f"peer-{option}": value for option, value in both.items()}
        return both | peers | {"peer-cert-allowed-cn": MEMBER_CN}

    def files(self, name: str, subject: Subject) -> tuple[str, str]:
        """Return the files of a certificate and of its key, which were asked for as a host does."""
        self._keys[name] = new_key()
        (self.directory / f"{name}-key.pem").write_text(key_pem(self._keys[name]))
        self.certify(name, subject)
        return str(self.directory / f"{name}.pem"), str(self.directory / f"{name}-key.pem")

    def certify(self, name: str, subject: Subject, *, life: timedelta = timedelta(hours=1)) -> None:
        """Write a certificate for a key that is there, in one step, as the agent does."""
        public_key = requested_key(csr(self._keys[name]))
        issued = self.ca.signing().issue(subject, public_key, life=life, now=time.time())
        (self.directory / "new").write_text(pem(issued))
        (self.directory / "new").rename(self.directory / f"{name}.pem")

    def identity(self) -> ClientIdentity:
        """Return what the controller shows."""
        return ClientIdentity(lambda: issued_material(self.ca, time.time), now=time.time)

    def stranger(self) -> ssl.SSLContext:
        """Return a client that trusts the CA and shows nothing."""
        return ssl.create_default_context(cadata=self.ca.bundle())
