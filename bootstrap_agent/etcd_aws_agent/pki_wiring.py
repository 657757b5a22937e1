"""Puts together what gets certificates; imported only where there are any to get."""

from __future__ import annotations

import time
from collections.abc import Callable

from etcd_aws_agent.aws_api import ParameterStore, Secrets, SignedService
from etcd_aws_agent.clock import Clock
from etcd_aws_agent.credentials import CredentialChain
from etcd_aws_agent.identity import Identity
from etcd_aws_agent.pki import Certificates, Source
from etcd_aws_agent.pki_automatic import ControllerAsCa
from etcd_aws_agent.pki_files import PkiFiles
from etcd_aws_agent.pki_own import PARAMETER, OwnMaterial, Store
from etcd_aws_agent.settings import Settings


def certificates_of(
    settings: Settings,
    identity: Identity,
    *,
    credentials: CredentialChain,
    parameters: ParameterStore,
    clock: Clock,
    log: Callable[..., None],
) -> Certificates:
    """Return what has this host's certificates right; its deadline begins now."""
    files = PkiFiles(settings.tls.directory, settings.tls.user)
    source: Source
    if settings.tls.source is not None:
        name, store = _own_store(settings.tls.source, settings, identity, credentials, parameters)
        source = OwnMaterial(name=name, store=store, identity=identity, files=files)
    else:
        source = ControllerAsCa(
            cluster_name=settings.cluster_name or "",
            identity=identity,
            parameters=parameters,
            files=files,
            renew_at=settings.tls.renew_at,
            clock=clock,
            now=time.time,
            log=log,
        )
    return Certificates(source=source, files=files, clock=clock, log=log, deadline_s=settings.deadline_s)


def _own_store(
    source: str, settings: Settings, identity: Identity, credentials: CredentialChain, parameters: ParameterStore
) -> tuple[str, Store]:
    if source.startswith(PARAMETER):
        return source[len(PARAMETER) :], _Decrypted(parameters)
    # A secret is where its ARN says.
    region = source.split(":")[3] or identity.region
    service = SignedService(
        "secretsmanager", endpoint=settings.secrets_endpoint, region=region, credentials=credentials
    )
    return source, Secrets(service)


class _Decrypted:
    def __init__(self, parameters: ParameterStore) -> None:
        self._parameters = parameters

    def get(self, name: str) -> str | None:
        return self._parameters.get(name, decrypted=True)
