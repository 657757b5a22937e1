"""Templates, made once: with NAT gateways (the default), with endpoints, and with endpoints and names."""

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


@pytest.fixture(scope="session")
def template_with_names() -> dict[str, Any]:
    """The template of such a VPC with DNS names and https."""
    return synthesize({**ENDPOINTS, "etcd:dns_zone_name": "example.internal", "etcd:etcd_client_scheme": "https"})
