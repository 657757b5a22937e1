"""Certificates and requests for them in SSM Parameter Store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..core.certificates import Applicant, CertificateRequest
from .errors import AlreadySo, already, aws_call

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient

_NOT_THERE = "ParameterNotFound"
_GONE = AlreadySo(_NOT_THERE)


class SsmCertificateTray:
    """The port CertificateTray on Parameter Store, with standard parameters only."""

    def __init__(self, *, ssm: SSMClient, prefix: str) -> None:
        self._ssm = ssm
        self._prefix = prefix
        self._bundle_name = f"{prefix}/ca-bundle"

    def read_bundle(self) -> str | None:
        """Return the published certificates of the CAs to trust (PEM).

        Raises:
            AwsError: The call failed.
        """
        return self._get(self._bundle_name)

    def write_bundle(self, text: str) -> None:
        """Publish them.

        Raises:
            AwsError: The call failed.
        """
        self._put(self._bundle_name, text)

    def requests(self, applicant: Applicant) -> Sequence[CertificateRequest]:
        """Return what is asked for now, without the writers.

        Raises:
            AwsError: A call failed.
        """
        path = self._requests(applicant)
        with aws_call("GetParametersByPath", path):
            pages = self._ssm.get_paginator("get_parameters_by_path").paginate(Path=path)
            return [
                CertificateRequest(name=_last(p["Name"]), text=p["Value"], version=p["Version"])
                for page in pages
                for p in page["Parameters"]
            ]

    def versions(self, applicant: Applicant, name: str) -> Sequence[CertificateRequest]:
        """Return the versions of a request, each with its own writer, the newest first; none if it is there no more.

        Parameter Store keeps the last hundred.

        Raises:
            AwsError: A call failed.
        """
        parameter = f"{self._requests(applicant)}/{name}"
        with aws_call("GetParameterHistory", parameter), already(_GONE):
            pages = self._ssm.get_paginator("get_parameter_history").paginate(Name=parameter)
            found = [
                CertificateRequest(
                    name=name, text=p["Value"], version=p["Version"], writer=p.get("LastModifiedUser", "")
                )
                for page in pages
                for p in page["Parameters"]
            ]
            return sorted(found, key=lambda each: each.version, reverse=True)
        return ()

    def withdraw(self, applicant: Applicant, request: CertificateRequest) -> bool:
        """Delete a request, unless another version has come meanwhile; return whether it is gone.

        Parameter Store has no delete of a version: one that is written between the look and the delete is lost. Who
        asked has to ask again then, as after any request that stays unanswered.

        Raises:
            AwsError: A call failed.
        """
        parameter = f"{self._requests(applicant)}/{request.name}"
        with aws_call("GetParameter", parameter), already(_GONE):
            if self._ssm.get_parameter(Name=parameter)["Parameter"]["Version"] != request.version:
                return False
        self._delete(parameter)
        return True

    def certified(self, applicant: Applicant) -> Mapping[str, str]:
        """Return the names that certificates are there for, with these (PEM).

        Raises:
            AwsError: A call failed.
        """
        path = self._certificates(applicant)
        with aws_call("GetParametersByPath", path):
            pages = self._ssm.get_paginator("get_parameters_by_path").paginate(Path=path)
            return {_last(p["Name"]): p["Value"] for page in pages for p in page["Parameters"]}

    def read_certificate(self, applicant: Applicant, name: str) -> str | None:
        """Return a certificate (PEM); None where there is none.

        Raises:
            AwsError: The call failed.
        """
        return self._get(f"{self._certificates(applicant)}/{name}")

    def write_certificate(self, applicant: Applicant, name: str, text: str) -> None:
        """Answer a request.

        Raises:
            AwsError: The call failed.
        """
        self._put(f"{self._certificates(applicant)}/{name}", text)

    def delete_certificate(self, applicant: Applicant, name: str) -> None:
        """Delete a certificate; one that is not there is success.

        Raises:
            AwsError: The call failed.
        """
        self._delete(f"{self._certificates(applicant)}/{name}")

    def _requests(self, applicant: Applicant) -> str:
        return f"{self._prefix}/{applicant}certificate-requests"

    def _certificates(self, applicant: Applicant) -> str:
        return f"{self._prefix}/{applicant}certificates"

    def _get(self, name: str) -> str | None:
        with aws_call("GetParameter", name):
            try:
                return self._ssm.get_parameter(Name=name)["Parameter"]["Value"]
            except ClientError as error:
                if error.response["Error"]["Code"] == _NOT_THERE:
                    return None
                raise

    def _put(self, name: str, value: str) -> None:
        with aws_call("PutParameter", name):
            self._ssm.put_parameter(Name=name, Value=value, Type="String", Tier="Standard", Overwrite=True)

    def _delete(self, name: str) -> None:
        with aws_call("DeleteParameter", name), already(_GONE):
            self._ssm.delete_parameter(Name=name)


def _last(name: str) -> str:
    return name.rpartition("/")[2]
