"""Secrets Manager, and secret parameters: what only the controller may read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..core.errors import AwsError
from .errors import AlreadySo, already, aws_call

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient
    from mypy_boto3_ssm.client import SSMClient

_PARAMETER = "ssm:"
_EXISTS = AlreadySo("ResourceExistsException")


class SecretReader:
    """Reads what an operator has put somewhere; the clients are made when first needed."""

    def __init__(self, *, secrets_manager: Callable[[], SecretsManagerClient], ssm: SSMClient) -> None:
        self._secrets_manager = secrets_manager
        self._ssm = ssm

    def read(self, source: str) -> str:
        """Return the text at the ARN of a secret, or at ``ssm:/name`` of a parameter.

        Raises:
            AwsError: It could not be read, or is no text.
        """
        if source.startswith(_PARAMETER):
            name = source.removeprefix(_PARAMETER)
            with aws_call("GetParameter", name):
                return self._ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        with aws_call("GetSecretValue", source):
            answer = self._secrets_manager().get_secret_value(SecretId=source)
        if "SecretString" not in answer:
            raise AwsError(f"GetSecretValue for {source}: the secret is binary, expected text")
        return answer["SecretString"]


class SecretsManagerVault:
    """The port CaVault: a version of one secret for each generation of the CA.

    The version's id is made of the generation and can be used once: Secrets Manager refuses another text under it.
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
    A version without a staging label may be deleted, so each has one of its own; a secret has at most 20.
    """

    def __init__(self, *, client: Callable[[], SecretsManagerClient], secret: str) -> None:
        self._client = client
        self._secret = secret

    def read(self, generation: int) -> str | None:
        """Return a generation's text; None only where Secrets Manager says that there is no such version.

        Raises:
            AwsError: It could not be read, which is not the same.
        """
        about = f"generation {generation} in {self._secret}"
        with aws_call("GetSecretValue", about):
            try:
                answer = self._client().get_secret_value(SecretId=self._secret, VersionId=_version(generation))
            except ClientError as error:
                # Also where there is no secret at all: then ``create`` fails the same way, and nothing comes of it.
                if error.response["Error"]["Code"] == "ResourceNotFoundException":
                    return None
                raise
        if "SecretString" not in answer:
            raise AwsError(f"GetSecretValue for {about}: the version is binary, expected text")
        return answer["SecretString"]

    def create(self, generation: int, text: str) -> None:
        """Write a generation once for all; one that is there already is left as it is, and success.

        Raises:
            AwsError: The call failed; it may have been written all the same.
        """
        with aws_call("PutSecretValue", f"generation {generation} in {self._secret}"), already(_EXISTS):
            self._client().put_secret_value(
                SecretId=self._secret,
                SecretString=text,
                ClientRequestToken=_version(generation),
                VersionStages=[f"generation-{generation}"],
            )


def _version(generation: int) -> str:
    """Return the version's id, which has 32 to 64 characters."""
    return f"certificate-authority-generation-{generation:04d}"
