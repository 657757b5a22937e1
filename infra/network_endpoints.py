"""Which VPC endpoints a cluster needs, each with its reason."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.settings import Settings

S3 = "s3"
"""The only gateway endpoint; it costs nothing, and NAT gateways are spared the downloads."""

ALL_ENDPOINTS = ("ssm", "autoscaling", "ec2", "sqs", "lambda", S3, "secretsmanager", "route53")
"""All that some settings need."""


def needed_endpoints(settings: "Settings") -> tuple[str, ...]:
    """Return what members and controller call; logs and traces leave a function outside of its VPC."""
    return tuple(_needed(settings))


def endpoints_to_make(settings: "Settings") -> tuple[str, ...]:
    """Return the endpoints of this stack: none where NAT gateways are, in a given VPC those that were asked for."""
    network = settings.network
    if network.egress != "endpoints":
        return ()
    needed = needed_endpoints(settings)
    if not network.vpc_id:
        return tuple(name for name in needed if name != S3)  # the new VPC has that one in any case
    asked = network.given_vpc_endpoints.split(",")
    return tuple(name for name in needed if name in asked or asked == ["all"])


def _needed(settings: "Settings") -> Iterator[str]:
    yield "ssm"  # the record; certificate requests
    yield "autoscaling"
    yield "ec2"
    yield "sqs"  # messages that cannot be read are put aside
    if settings.rollout.rollout == "automatic" and not settings.attach.attach:
        yield "lambda"  # a rollout that takes longer than one run of its function calls itself
    yield S3  # the agent, etcd's archive
    tls = settings.tls
    # The automatic CA's key is a secret; one's own certificates and etcd's user may be.
    sources = (tls.controller_tls_source, tls.host_tls_source, tls.etcd_user_secret_arn)
    if (settings.uses_tls and tls.pki == "automatic") or any(":secretsmanager:" in source for source in sources):
        yield "secretsmanager"
    if settings.dns.dns_zone_name:
        yield "route53"
