"""What each way out of the VPC costs a month: ``python -m infra.network_costs`` prints the table of docs/network.md.

US dollars, on demand, region us-east-1, without tax; prices as of 2026-11-27. AWS's pages show them by region:
https://aws.amazon.com/vpc/pricing/ (NAT gateways, public addresses), https://aws.amazon.com/privatelink/pricing/,
https://aws.amazon.com/route53/pricing/
"""

import sys

from infra.network_endpoints import S3, needed_endpoints
from infra.settings import Settings

HOURS_A_MONTH = 730
NAT_GATEWAY_HOUR = 0.045
NAT_GATEWAY_GB = 0.045
PUBLIC_ADDRESS_HOUR = 0.005
INTERFACE_ENDPOINT_HOUR = 0.01
"""For each zone that the endpoint is in."""
INTERFACE_ENDPOINT_GB = 0.01
HOSTED_ZONE_MONTH = 0.50

_ENDPOINTS = {"etcd:egress": "endpoints", "etcd:etcd_url": "s3://bucket/etcd.tar.gz"}
_HTTP = {"etcd:etcd_client_scheme": "http", "etcd:etcd_peer_scheme": "http"}
_DNS = {"etcd:dns_zone_name": "example.internal"}
_WAYS = {
    "`egress=nat`, the default: one NAT gateway": {},
    "`egress=nat`, `nat_gateways=3`: one in each zone": {"etcd:nat_gateways": "3"},
    "`egress=endpoints`": _ENDPOINTS,
    "`egress=endpoints` with http": _ENDPOINTS | _HTTP,
    "`egress=endpoints` with DNS names": _ENDPOINTS | _DNS,
    "`egress=endpoints`, `az_count=2`": _ENDPOINTS | {"etcd:az_count": "2"},
}


def monthly(settings: Settings) -> float:
    """Return the fixed part in dollars; what comes and goes is billed by the GB besides."""
    network = settings.network
    zone = HOSTED_ZONE_MONTH if settings.dns.dns_zone_name and not settings.dns.dns_zone_id else 0.0
    if network.egress == "nat":
        return zone + network.nat_gateways * (NAT_GATEWAY_HOUR + PUBLIC_ADDRESS_HOUR) * HOURS_A_MONTH
    billed = [name for name in needed_endpoints(settings) if name != S3]
    return zone + len(billed) * network.az_count * INTERFACE_ENDPOINT_HOUR * HOURS_A_MONTH


def render_costs() -> str:
    """Return one Markdown row for each way out."""
    rows = ["| new VPC | a month | each GB |", "| --- | --- | --- |"]
    for way, context in _WAYS.items():
        settings = Settings.from_context(context)
        gigabyte = NAT_GATEWAY_GB if settings.network.egress == "nat" else INTERFACE_ENDPOINT_GB
        rows.append(f"| {way} | ${monthly(settings):.2f} | ${gigabyte:.3f} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render_costs())
