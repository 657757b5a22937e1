"""What instances are deployed with, in one line: the guard compares it with what runs (docs/decisions/0016)."""

from infra.settings import Settings

TAG = "etcd-aws-cluster:deployed"
"""The tag of each instance; ``etcd_aws_cluster.deployment.deployed`` reads it, a test holds the two together."""


def deployed_as(settings: Settings) -> str:
    """Return the settings that members have to agree on, or that only change in steps."""
    etcd, tls = settings.etcd, settings.tls
    peers = f" peers={'checked' if tls.peer_cn_check else 'named'}" if tls.pki == "automatic" else ""
    return (
        f"version={etcd.etcd_version}"
        f" client={etcd.etcd_client_scheme}:{etcd.etcd_client_port}"
        f" peer={etcd.etcd_peer_scheme}:{etcd.etcd_server_port}"
        f" transition={'on' if tls.tls_transition else 'off'}"
        f" pki={tls.pki}"
        f" signs={tls.ca_signing}"
        f" trusts={'/'.join(str(n) for n in sorted(tls.trusted_generations))}"
        f"{peers}"
    )
