"""The function's environment: the settings in the words of ``etcd_aws_cluster.settings``, which reads them."""

from infra.names import LAUNCH_HOOK, METRICS_NAMESPACE, SERVICE, TERMINATE_HOOK, parameter_prefix
from infra.settings import Settings


def controller_environment(settings: Settings, dead_letter_queue_url: str) -> dict[str, str]:
    """Return every variable that the function reads; each setting's unit is in its name."""
    etcd, timing = settings.etcd, settings.timing
    variables: dict[str, str | int] = {
        "CLUSTER_NAME": settings.cluster_name,
        "PARAMETER_PREFIX": parameter_prefix(settings.cluster_name),
        "LAUNCH_HOOK_NAME": LAUNCH_HOOK,
        "TERMINATE_HOOK_NAME": TERMINATE_HOOK,
        "DEAD_LETTER_QUEUE_URL": dead_letter_queue_url,
        "ETCD_CLIENT_SCHEME": etcd.etcd_client_scheme,
        "ETCD_PEER_SCHEME": etcd.etcd_peer_scheme,
        "ETCD_CLIENT_PORT": etcd.etcd_client_port,
        "ETCD_SERVER_PORT": etcd.etcd_server_port,
        "ETCD_QUOTA_BACKEND_BYTES": etcd.quota_bytes,
        "GATHER_WINDOW_S": timing.gather_window_s,
        "FORMATION_TIMEOUT_S": timing.formation_timeout_s,
        "JOIN_TIMEOUT_S": timing.join_timeout_s,
        "REPLACEMENT_WAIT_S": timing.replacement_wait_s,
        "UNRESPONSIVE_GRACE_S": timing.unresponsive_grace_s,
        "ETCD_CONNECT_TIMEOUT_S": timing.etcd_connect_timeout_s,
        "ETCD_READ_TIMEOUT_S": timing.etcd_read_timeout_s,
        "ETCD_POLL_INTERVAL_MS": timing.etcd_poll_interval_ms,
        "AWS_POLL_INTERVAL_S": timing.aws_poll_interval_s,
        "RUN_RESERVE_S": timing.run_reserve_s,
        "POWERTOOLS_SERVICE_NAME": SERVICE,
        "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
        "POWERTOOLS_LOG_LEVEL": settings.controller.log_level,
    }
    return {name: str(value) for name, value in (variables | _tls(settings)).items()}


def _tls(settings: Settings) -> dict[str, str | int]:
    """What is said only where it matters; infra.pki adds what only a deploy knows."""
    tls = settings.tls
    user = {"ETCD_USER_SECRET_ARN": tls.etcd_user_secret_arn} if tls.etcd_user_secret_arn else {}
    match settings.pki:
        case "automatic":
            return {
                **user,
                "ETCD_PKI": "automatic",
                "CERTIFICATE_HOURS": tls.certificate_hours,
                "CA_SIGNING": tls.ca_signing,
                "CA_TRUSTED": ",".join(map(str, tls.trusted_generations)),
            }
        case "own":
            source = {"CONTROLLER_TLS_SOURCE": tls.controller_tls_source} if tls.controller_tls_source else {}
            return {**user, **source, "ETCD_PKI": "own" if source else "off"}
        case _:
            return {**user, "ETCD_PKI": "off"}
