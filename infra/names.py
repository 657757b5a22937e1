"""Names that the app shares with the function and the agent, which are told them or derive them alike."""

LAUNCH_HOOK = "etcd-launch"
TERMINATE_HOOK = "etcd-terminate"
METRICS_NAMESPACE = "EtcdAwsCluster"
SERVICE = "etcd-aws-cluster"
AGENT_FILE = "etcd-aws-agent.pyz"


def parameter_prefix(cluster_name: str) -> str:
    """Path, without a last slash, under which the controller keeps the parameters of a cluster."""
    return f"/etcd-aws-cluster/{cluster_name}"


def record_parameter(cluster_name: str) -> str:
    """Name of the parameter that tells the agents everything."""
    return f"{parameter_prefix(cluster_name)}/record"


def initial_cluster_parameter(cluster_name: str) -> str:
    """Name of the parameter with the plain ETCD_INITIAL_CLUSTER, for people and other tools."""
    return f"{parameter_prefix(cluster_name)}/initial-cluster"


def ca_bundle_parameter(cluster_name: str) -> str:
    """Name of the parameter with the certificates of the CAs to trust (PEM), the signing one first."""
    return f"{parameter_prefix(cluster_name)}/ca-bundle"


def certificate_requests(cluster_name: str) -> str:
    """Path, without a last slash, below which each host puts its certificate request (PEM), by instance id."""
    return f"{parameter_prefix(cluster_name)}/certificate-requests"


def certificates(cluster_name: str) -> str:
    """Path, without a last slash, below which the controller puts hosts' certificates (PEM), by instance id."""
    return f"{parameter_prefix(cluster_name)}/certificates"


def client_certificate_requests(cluster_name: str) -> str:
    """As ``certificate_requests``, for clients by a name of their own; IAM says who may write there."""
    return f"{parameter_prefix(cluster_name)}/client-certificate-requests"


def client_certificates(cluster_name: str) -> str:
    """As ``certificates``, for clients by name."""
    return f"{parameter_prefix(cluster_name)}/client-certificates"


def client_security_group_export(cluster_name: str) -> str:
    """CloudFormation export with the id of the security group to attach to clients."""
    # An attached group's name may have two characters that an export's may not.
    name = cluster_name.replace("_", ":u:").replace(".", ":d:")
    return f"etcd-aws-cluster-{name}-client-security-group"


def domain(cluster_name: str, zone_name: str) -> str:
    """The domain at and below which a cluster's names are."""
    return f"{cluster_name.lower()}.{zone_name}"
