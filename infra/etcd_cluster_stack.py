"""One etcd cluster: puts the parts together and says in which order they come and go."""

from aws_cdk import CfnOutput, Environment, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.bundling import AssetMaker
from infra.controller import Controller
from infra.deployment import Deployment
from infra.member_group import MemberGroup
from infra.monitoring import Monitoring
from infra.names import initial_cluster_parameter, record_parameter
from infra.network import Network
from infra.network_access import NetworkAccess
from infra.pki import Pki
from infra.settings import Settings


class EtcdClusterStack(Stack):
    """Everything that one cluster needs."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        controller_code: lambda_.Code,
        agent: AssetMaker,
        env: Environment | None = None,
    ) -> None:
        super().__init__(
            scope, construct_id, env=env, description=f"etcd cluster {settings.cluster_name} (etcd-aws-cluster)"
        )
        network = Network(self, "Network", settings=settings.network)
        access = NetworkAccess(
            self,
            "Access",
            vpc=network.vpc,
            client_port=settings.etcd.etcd_client_port,
            server_port=settings.etcd.etcd_server_port,
        )
        if settings.network.egress == "endpoints" and not settings.network.vpc_id:
            network.add_endpoints(access.endpoints(), with_secrets=settings.reads_secrets)
        controller = Controller(
            self,
            "Controller",
            settings=settings,
            code=controller_code,
            vpc=network.vpc,
            subnets=network.subnets,
            security_group=access.controller,
        )
        deployment = Deployment(
            self,
            "Deployment",
            settings=settings,
            code=controller_code,
            vpc=network.vpc,
            subnets=network.subnets,
            security_group=access.controller,
            dead_letter_queue_url=controller.dead_letter_queue.queue_url,
        )
        members = MemberGroup(
            self,
            "Members",
            settings=settings,
            vpc=network.vpc,
            subnets=network.subnets,
            security_group=access.members,
            agent=agent(self, "Agent"),
        )
        pki = Pki(self, "Pki", settings=settings, controller=controller, deployment=deployment, hosts=members.role)
        # The first instance finds the whole controller at work, and the last one is let go by it.
        members.group.node.add_dependency(network, access, controller, pki)
        monitoring = Monitoring(self, "Monitoring", settings=settings, controller=controller)
        # What the guard refuses changes nothing: not the instances, and not what their controller believes of them.
        deployment.guard.node.add_dependency(network, access)
        controller.function.node.add_dependency(deployment.guard)
        members.template.node.add_dependency(deployment.guard)
        # Nothing that could fail comes after it, for instances that were replaced do not go back to an older etcd.
        rollout = deployment.roll_out(
            launch_template_id=members.template.ref,
            launch_template_version=members.template.attr_latest_version_number,
        )
        rollout.node.add_dependency(members, controller, pki, monitoring)

        for name, value in {
            "ClusterName": settings.cluster_name,
            "RecordParameter": record_parameter(settings.cluster_name),
            "InitialClusterParameter": initial_cluster_parameter(settings.cluster_name),
            "ClientSecurityGroupId": access.clients.security_group_id,
            "QueueUrl": controller.queue.queue_url,
            "DeadLetterQueueUrl": controller.dead_letter_queue.queue_url,
            "FunctionName": controller.function.function_name,
        }.items():
            CfnOutput(self, name, value=value)
