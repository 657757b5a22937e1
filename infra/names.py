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
