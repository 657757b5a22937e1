"""Imports what a settled tick of the controller truly needs, and makes its clients: ``needs.py``.

That is boto3, with the same models of few operations as the bundle has; requests; Powertools' logger, metrics,
batches and tracer with X-Ray's patch of botocore; with certificates (``ETCD_PKI``) the parts of cryptography that read,
make and sign them.
"""

from __future__ import annotations

import os
from typing import Any

import boto3.session
import botocore.session
import requests  # noqa: F401
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.utilities import batch, data_classes  # noqa: F401
from botocore.config import Config
from botocore.loaders import Loader

if os.environ.get("ETCD_PKI", "off") != "off":
    from cryptography import x509  # noqa: F401
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: F401
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: F401


class _Loader(Loader):  # as the function's own
    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002
        return ["autoscaling", "ec2", "ssm"]


def clients() -> dict[str, Any]:
    """Make Powertools' objects, and the clients of the three services that a settled tick calls."""
    Logger(), Metrics(service=""), Tracer(patch_modules=["botocore"])
    base = botocore.session.Session()
    base.register_component("data_loader", _Loader(extra_search_paths=[os.environ["MODELS"]]))
    session: Any = boto3.session.Session(botocore_session=base)
    config = Config(connect_timeout=2, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 2})
    return {name: session.client(name, config=config) for name in ("ssm", "autoscaling", "ec2")}


if __name__ == "__main__":
    clients()
    os._exit(0)  # as ours.py
