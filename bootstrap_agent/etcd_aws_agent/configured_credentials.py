"""Credentials that were put on a host, beside its role: environment, shared files, container; by botocore.

botocore's own chain has more links (SSO, web identity, assumed roles), whose clients would double the start-up time.
Loaded only where something is configured: most hosts have a role only (docs/decisions/0002-agent-runtime.md).
"""

from __future__ import annotations

import os

from botocore.credentials import (
    ConfigProvider,
    ContainerProvider,
    CredentialResolver,
    Credentials,
    EnvProvider,
    SharedCredentialProvider,
)


def configured(shared_file: str, config_file: str) -> Credentials | None:
    """Return credentials that renew themselves if they are of a kind that ends; None if there are none.

    Raises:
        BotoCoreError: what is configured cannot be used.
    """
    profile = os.environ.get("AWS_PROFILE") or "default"
    providers = [
        EnvProvider(),
        SharedCredentialProvider(shared_file, profile),
        ConfigProvider(config_file, profile),
        ContainerProvider(),
    ]
    return CredentialResolver(providers).load_credentials()
