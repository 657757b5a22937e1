"""A client's key and certificate, got as a user gets them (docs/tls.md), and the CAs that it trusts."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import botocore.exceptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab.paths import LabError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME: Final = "lab"
_ANSWER_S: Final = 240.0
_POLL_S: Final = 0.2
_LOOK_EACH_S: Final = 1.0
_AWS_ERRORS: Final = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)
_LOCK: Final = threading.Lock()


@dataclass(frozen=True)
class ClientFiles:
    """Where a client's files are, PEM."""

    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def below(cls, folder: Path) -> ClientFiles:
        """The files of a folder."""
        return cls(folder / "ca.crt", folder / "client.crt", folder / "client.key")


class ClientTls:
    """The files of the lab's own client; with the automatic PKI they are asked for, else somebody put them there.

    Args:
        ssm: makes a boto3 client of Parameter Store.
        prefix: path of the cluster's parameters, without a last slash.
        folder: has the files.
    """

    def __init__(self, ssm: Callable[[], Any], prefix: str, folder: Path) -> None:
        self._ssm = ssm
        self._prefix = prefix
        self.files = ClientFiles.below(folder)
        self._looked = 0.0

    def ready(self) -> ClientFiles:
        """The files, which are made if they are not there.

        Raises:
            LabError: nobody answers the request for a certificate, or AWS does not; or the cluster has no CA.
        """
        if not self.files.certificate.exists():
            self.renew()
            if not self.files.certificate.exists():
                raise LabError(f"no {self.files.certificate}, and no {self._prefix}/ca-bundle to get one by")
        return self.files

    def forget(self) -> None:
        """The CA has gone with its stack: ask the next one."""
        self.files.certificate.unlink(missing_ok=True)

    def renew(self) -> None:
        """After a failure: see to it that the CAs are those of now, and the certificate one of the CA that signs.

        Raises:
            LabError: nobody answers the request for a certificate, or AWS does not.
        """
        with _LOCK:
            if time.monotonic() - self._looked > _LOOK_EACH_S:
                self._look()

    def _look(self) -> None:
        bundle = self._parameter("ca-bundle")
        if bundle is not None:
            _write(self.files.ca, bundle.encode())
            signing = x509.load_pem_x509_certificates(bundle.encode())[0]
            if not self._is_signed_by(signing):
                self._ask(signing)
        self._looked = time.monotonic()

    def _is_signed_by(self, signing: x509.Certificate) -> bool:
        return self.files.certificate.exists() and _is_of(self.files.certificate.read_bytes(), signing)

    def _ask(self, signing: x509.Certificate) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(self._key(), hashes.SHA256())
        self._ssm().put_parameter(
            Name=f"{self._prefix}/client-certificate-requests/{NAME}",
            Value=request.public_bytes(serialization.Encoding.PEM).decode(),
            Type="String",
            Overwrite=True,
        )
        deadline = time.monotonic() + _ANSWER_S
        while time.monotonic() < deadline:
            answer = self._parameter(f"client-certificates/{NAME}")
            if answer is not None and _is_of(answer.encode(), signing):
                _write(self.files.certificate, answer.encode())
                return
            time.sleep(_POLL_S)
        raise LabError(f"waited {_ANSWER_S:g} s for {self._prefix}/client-certificates/{NAME} by the CA that signs now")

    def _key(self) -> ec.EllipticCurvePrivateKey:
        if self.files.key.exists():
            kept = serialization.load_pem_private_key(self.files.key.read_bytes(), None)
            if isinstance(kept, ec.EllipticCurvePrivateKey):
                return kept
        key = ec.generate_private_key(ec.SECP256R1())
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write(self.files.key, text)
        return key

    def _parameter(self, name: str) -> str | None:
        try:
            found = self._ssm().get_parameters(Names=[f"{self._prefix}/{name}"])["Parameters"]
        except _AWS_ERRORS as error:
            raise LabError(f"{self._prefix}/{name}: {error}") from error
        return str(found[0]["Value"]) if found else None


def _is_of(certificate: bytes, signing: x509.Certificate) -> bool:
    """Whether a certificate was issued by a CA."""
    try:
        x509.load_pem_x509_certificates(certificate)[0].verify_directly_issued_by(signing)
    except Exception:  # noqa: BLE001  # each way of not being so has an exception of its own
        return False
    return True


def _write(path: Path, text: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_bytes(text)
    fresh.replace(path)
