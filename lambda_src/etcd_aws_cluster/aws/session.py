"""Makes boto3's session with the models of AWS that the bundle has (docs/decisions/0020)."""

from __future__ import annotations

from pathlib import Path

import boto3.session
import botocore.session
from botocore.loaders import Loader

MODELS = Path(__file__).with_name("models")
"""The bundle has models of just the operations that are called. Where there are none botocore reads its own, which
takes most of a cold start (docs/decisions/0020)."""


def new_session(base: botocore.session.Session | None = None, models: Path = MODELS) -> boto3.session.Session:
    """Return a session with the credentials, the region and the endpoints that the environment tells.

    Args:
        base: botocore's session; the default is a new one.
        models: a folder of models that go before botocore's own, if it is there.
    """
    base = base or botocore.session.Session()
    if models.is_dir():
        base.register_component("data_loader", _Loader(models))
    return boto3.session.Session(botocore_session=base)


class _Loader(Loader):
    """Prefers these models, and does not look through botocore's hundreds of services for the names of a few."""

    def __init__(self, models: Path) -> None:
        super().__init__(extra_search_paths=[str(models)])
        self._services = sorted(each.name for each in models.iterdir() if each.is_dir())

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - botocore's signature
        return self._services
