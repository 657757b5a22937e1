"""Credentials of a host: what is configured, else its instance role."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import BotoCoreError
from botocore.utils import InstanceMetadataFetcher

from etcd_aws_agent.errors import UnavailableError
from etcd_aws_agent.transport import OutOfTimeError, attempt_time_limit

if TYPE_CHECKING:
    from botocore.credentials import Credentials

# A role's credentials are good for at least so long when they are read:
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
ROLE_GOOD_FOR_S = 300.0
_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


class Keys(NamedTuple):
    """What a request is signed with."""

    access_key: str
    secret_key: str
    token: str | None


class CredentialChain:
    """Finds credentials and keeps them for as long as they are good."""

    def __init__(self, *, metadata_endpoint: str) -> None:
        self._role = InstanceMetadataFetcher(
            timeout=1,
            num_attempts=1,
            config={"ec2_metadata_service_endpoint": metadata_endpoint, "ec2_metadata_v1_disabled": True},
        )
        self._configured: Credentials | None = None
        self._keys_of_role: Keys | None = None
        self._read_at = 0.0

    def current(self) -> Keys:
        """Return credentials to sign one request with.

        Raises:
            UnavailableError: there are none, for example because the instance role is not there yet.
        """
        try:
            with attempt_time_limit():
                keys = self._of_host() or self._of_role()
        except (BotoCoreError, OutOfTimeError, OSError, ValueError) as error:
            raise UnavailableError(f"no AWS credentials: {' '.join(str(error).split())}") from error
        if keys is None:
            raise UnavailableError("no AWS credentials: not in the environment, the shared files or the instance role")
        return keys

    def forget(self) -> None:
        """Look for credentials anew the next time; these were refused."""
        self._configured = self._keys_of_role = None

    def _of_host(self) -> Keys | None:
        if self._configured is None:
            files = [
                os.path.expanduser(os.environ.get(variable) or default)  # noqa: PTH111 - a Path's fails without a home
                for variable, default in (
                    ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
                    ("AWS_CONFIG_FILE", "~/.aws/config"),
                )
            ]
            has_file = any(os.path.isfile(each) for each in files)  # noqa: PTH113 - a Path's fails where it may not look
            if not has_file and not any(os.environ.get(each) for each in _VARIABLES):
                return None
            from etcd_aws_agent.configured_credentials import configured  # noqa: PLC0415 - a tenth of the start-up time

            self._configured = configured(*files)
        if self._configured is None:
            return None
        frozen = self._configured.get_frozen_credentials()
        return Keys(frozen.access_key or "", frozen.secret_key or "", frozen.token)

    def _of_role(self) -> Keys | None:
        now = time.monotonic()
        if self._keys_of_role is None or now - self._read_at >= ROLE_GOOD_FOR_S:
            told = self._role.retrieve_iam_role_credentials()
            self._keys_of_role = Keys(told["access_key"], told["secret_key"], told["token"]) if told else None
            self._read_at = now
        return self._keys_of_role
