"""The script of an instance's first boot, from ``user_data.sh.tmpl``."""

from pathlib import Path
from string import Template

from aws_cdk import Aws

from infra.etcd_releases import known_sha256
from infra.names import AGENT_FILE
from infra.settings import Settings

_TEMPLATE = Path(__file__).with_name("user_data.sh.tmpl")


class _ScriptTemplate(Template):
    """Fields are written ``@{name}``: the dollar sign belongs to the shell."""

    delimiter = "@"


def etcd_url(settings: Settings, architecture: str) -> str:
    """Address of the etcd archive for a processor (amd64, arm64)."""
    return settings.etcd.etcd_url.format(version=settings.etcd.etcd_version, architecture=architecture)


def render_user_data(settings: Settings, *, architecture: str, agent_url: str) -> str:
    """Fill in the script for a processor (amd64, arm64); the settings' rules keep shell signs out of every value."""
    etcd, members = settings.etcd, settings.members
    return _ScriptTemplate(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        agent_deadline_s=members.agent_deadline_s,
        agent_file=AGENT_FILE,
        agent_url=agent_url,
        cluster_name=settings.cluster_name,
        etcd_client_port=etcd.etcd_client_port,
        etcd_client_scheme=etcd.etcd_client_scheme,
        etcd_peer_scheme=etcd.etcd_peer_scheme,
        etcd_server_port=etcd.etcd_server_port,
        etcd_quota_bytes=etcd.quota_bytes,
        etcd_sha256=etcd.etcd_sha256 or known_sha256(etcd.etcd_version)[architecture],
        etcd_url=etcd_url(settings, architecture),
        region=Aws.REGION,
        # The agent's wait, and then etcd's own until its cluster has a quorum.
        start_timeout_s=members.agent_deadline_s + settings.timing.formation_timeout_s,
    )
