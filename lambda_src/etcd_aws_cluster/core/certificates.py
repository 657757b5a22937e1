"""What whoever issues certificates needs from the world: where requests come in and certificates go out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from .model import Ec2State, InstanceId


class Applicant(StrEnum):
    """Who asks; the value begins the names of the two parameter paths."""

    HOST = ""
    CLIENT = "client-"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateEnds:
    """When what the controller itself has of certificates ends, in epoch seconds; None where that is not known.

    Attributes:
        cas: The first to end of the CAs that it trusts, or that stand between one of them and its own certificate.
        given: Its own certificate, where that is an operator's to renew.
    """

    cas: float | None = None
    given: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRequest:
    """One version of one request.

    Attributes:
        name: The last part of the parameter's name: an instance id, or a client's name.
        text: What was written there: a CSR (PEM), or anything else.
        version: Parameter Store's, of that text.
        writer: ARN of who wrote that version; empty where it was not asked for.
    """

    name: str
    text: str
    version: int
    writer: str = ""


class CertificateTray(Protocol):
    """The cluster's parameters for certificates. Nothing in them is secret."""

    def read_bundle(self) -> str | None:
        """Return the published certificates of the CAs to trust (PEM).

        Raises:
            AwsError: The call failed.
        """

    def write_bundle(self, text: str) -> None:
        """Publish them.

        Raises:
            AwsError: The call failed.
        """

    def requests(self, applicant: Applicant) -> Sequence[CertificateRequest]:
        """Return what is asked for now, without the writers.

        Raises:
            AwsError: A call failed.
        """

    def versions(self, applicant: Applicant, name: str) -> Sequence[CertificateRequest]:
        """Return the versions of a request, each with its own writer, the newest first; none if it is there no more.

        Raises:
            AwsError: A call failed.
        """

    def withdraw(self, applicant: Applicant, request: CertificateRequest) -> bool:
        """Delete a request, unless another version has come meanwhile; return whether it is gone.

        Raises:
            AwsError: A call failed.
        """

    def certified(self, applicant: Applicant) -> Mapping[str, str]:
        """Return the names that certificates are there for, with these (PEM).

        Raises:
            AwsError: A call failed.
        """

    def read_certificate(self, applicant: Applicant, name: str) -> str | None:
        """Return a certificate (PEM); None where there is none.

        Raises:
            AwsError: The call failed.
        """

    def write_certificate(self, applicant: Applicant, name: str, text: str) -> None:
        """Answer a request.

        Raises:
            AwsError: The call failed.
        """

    def delete_certificate(self, applicant: Applicant, name: str) -> None:
        """Delete a certificate; one that is not there is success.

        Raises:
            AwsError: The call failed.
        """


class CaVault(Protocol):
    """Where the keys of the CA's generations are."""

    def read(self, generation: int) -> str | None:
        """Return a generation's text; None only where the vault says that there is none.

        Raises:
            AwsError: It could not be read, which is not the same.
        """

    def create(self, generation: int, text: str) -> None:
        """Write a generation once for all; one that is there already is left as it is, and success.

        Raises:
            AwsError: The call failed; it may have been written all the same.
        """


class InstanceStates(Protocol):
    """EC2, asked about single instances."""

    def states(self, instance_ids: Collection[InstanceId]) -> Mapping[InstanceId, Ec2State]:
        """Return EC2's state of each; ABSENT where EC2 knows nothing of it.

        Raises:
            AwsError: The call failed.
        """
