"""The credential chain of a host: environment, shared files, container, instance role.

botocore's own chain has more links (SSO, web identity, assumed roles), whose clients would double the start-up time:
docs/decisions/0002-agent-runtime.md.
"""

from __future__ import annotations

import os

from botocore.credentials import (
    ConfigProvider,
    ContainerProvider,
    CredentialResolver,
    Credentials,
    EnvProvider,
    InstanceMetadataFetcher,
    InstanceMetadataProvider,
    ReadOnlyCredentials,
    SharedCredentialProvider,
)
from botocore.exceptions import BotoCoreError

from etcd_aws_agent.errors import UnavailableError
from etcd_aws_agent.transport import OutOfTimeError, attempt_time_limit


class CredentialChain:
    """Finds credentials and keeps them for as long as they are good."""

    def __init__(self, *, metadata_endpoint: str) -> None:
        profile = os.environ.get("AWS_PROFILE") or "default"
        fetcher = InstanceMetadataFetcher(
            timeout=1,
            num_attempts=1,
            config={"ec2_metadata_service_endpoint": metadata_endpoint, "ec2_metadata_v1_disabled": True},
        )
        self._resolver = CredentialResolver(
            [
                EnvProvider(),
                SharedCredentialProvider(
                    os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials", profile
                ),
                ConfigProvider(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config", profile),
                ContainerProvider(),
                InstanceMetadataProvider(fetcher),
            ]
        )
        self._found: Credentials | None = None

    def current(self) -> ReadOnlyCredentials:
        """Return credentials to sign one request with.

        Raises:
            UnavailableError: there are none, for example because the instance role is not there yet.
        """
        try:
            with attempt_time_limit():
                self._found = self._found or self._resolver.load_credentials()
                if self._found is not None:
                    return self._found.get_frozen_credentials()
        except (BotoCoreError, OutOfTimeError, OSError, ValueError) as error:
            raise UnavailableError(f"no AWS credentials: {' '.join(str(error).split())}") from error
        raise UnavailableError("no AWS credentials: not in the environment, the shared files or the instance role")

    def forget(self) -> None:
        """Look for credentials anew the next time; these were refused."""
        self._found = None
