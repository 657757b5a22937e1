"""Makes clients of AWS, on botocore alone: boto3's resources and transfers would only be loaded, never used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import botocore.session
from botocore.loaders import Loader

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_autoscaling.client import AutoScalingClient
    from mypy_boto3_ec2.client import EC2Client
    from mypy_boto3_lambda.client import LambdaClient
    from mypy_boto3_route53.client import Route53Client
    from mypy_boto3_secretsmanager.client import SecretsManagerClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_ssm.client import SSMClient

MODELS = Path(__file__).with_name("models")
"""The bundle has models of just the operations that are called. Where there are none botocore reads its own, which
takes most of a cold start (docs/decisions/0020)."""


class Session:
    """The credentials, the region and the endpoints that the environment tells.

    Args:
        base: botocore's session; the default is a new one.
        models: a folder of models that go before botocore's own.
    """

    def __init__(self, base: botocore.session.Session | None = None, models: Path = MODELS) -> None:
        self._base = base or botocore.session.Session()
        if models.is_dir():
            self._base.register_component("data_loader", _Loader(models))

    @overload
    def client(self, service: Literal["autoscaling"], *, config: Config | None = None) -> AutoScalingClient: ...
    @overload
    def client(self, service: Literal["ec2"], *, config: Config | None = None) -> EC2Client: ...
    @overload
    def client(self, service: Literal["lambda"], *, config: Config | None = None) -> LambdaClient: ...
    @overload
    def client(self, service: Literal["route53"], *, config: Config | None = None) -> Route53Client: ...
    @overload
    def client(self, service: Literal["secretsmanager"], *, config: Config | None = None) -> SecretsManagerClient: ...
    @overload
    def client(self, service: Literal["sqs"], *, config: Config | None = None) -> SQSClient: ...
    @overload
    def client(self, service: Literal["ssm"], *, config: Config | None = None) -> SSMClient: ...
    def client(self, service: str, *, config: Config | None = None) -> Any:
        """Make a client; nothing is called yet."""
        return self._base.create_client(service, config=config)


class _Loader(Loader):
    """Prefers these models, and does not look through botocore's hundreds of services for the names of a few."""

    def __init__(self, models: Path) -> None:
        super().__init__(extra_search_paths=[str(models)])
        self._services = sorted(each.name for each in models.iterdir() if each.is_dir())

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - botocore's signature
        return self._services
