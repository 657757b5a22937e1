"""Two templates, made once: with NAT gateways (the default), and with endpoints."""

from typing import Any

import pytest

from tests.infra.stacks import ENDPOINTS, synthesize


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """The template of the default settings."""
    return synthesize()


@pytest.fixture(scope="session")
def template_with_endpoints() -> dict[str, Any]:
    """The template of a VPC without internet access, with etcd from S3."""
    return synthesize(ENDPOINTS)
