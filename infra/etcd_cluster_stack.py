"""One etcd cluster: puts the parts together and says in which order they come and go."""

from aws_cdk import CfnOutput, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct, IConstruct

from infra.attached_group import AttachedAccess, AttachedHooks
from infra.bundling import AssetMaker
from infra.controller import Controller
from infra.dns import Dns
from infra.member_group import MemberGroup
from infra.monitoring import Monitoring
from infra.names import client_security_group_export, initial_cluster_parameter, record_parameter
from infra.network import Network
from infra.network_access import NetworkAccess
from infra.network_endpoints import endpoints_to_make
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
        access: NetworkAccess | AttachedAccess
        if settings.attach.attach:
            access = AttachedAccess(self, "Access", settings=settings, vpc=network.vpc)
        else:
            access = NetworkAccess(
                self,
                "Access",
                vpc=network.vpc,
                client_port=settings.etcd.etcd_client_port,
                server_port=settings.etcd.etcd_server_port,
            )
            endpoints = endpoints_to_make(settings)
            if endpoints:
                network.add_endpoints(endpoints, access.endpoints())
        controller = Controller(
            self,
            "Controller",
            settings=settings,
            code=controller_code,
            vpc=network.vpc,
            subnets=ec2.SubnetSelection(subnets=network.subnets),
            security_group=access.controller,
        )
        domain: dict[str, str] = {}
        if settings.dns.dns_zone_name:
            dns = Dns(self, "Dns", settings=settings, vpc=network.vpc)
            dns.let_write(controller.function)
            domain = {"DnsDomain": dns.domain}
        agent_file = agent(self, "Agent")
        last: IConstruct
        hosts: iam.Role | None = None
        if settings.attach.attach:
            last = AttachedHooks(self, "Hooks", settings=settings)
        else:
            members = MemberGroup(
                self,
                "Members",
                settings=settings,
                subnets=network.subnets,
                security_group=access.members,
                agent=agent_file,
            )
            last, hosts = members.group, members.role
        pki = Pki(self, "Pki", settings=settings, controller=controller, hosts=hosts)
        # The first instance finds the whole controller at work, and the last one is let go by it.
        last.node.add_dependency(network, access, controller, pki)
        Monitoring(self, "Monitoring", settings=settings, controller=controller)

        if access.clients:
            CfnOutput(
                self,
                "ClientSecurityGroupId",
                value=access.clients.security_group_id,
                # Two clusters of one name cannot be in one account and region: their groups would be one.
                export_name=client_security_group_export(settings.cluster_name),
            )
        for name, value in {
            "ClusterName": settings.cluster_name,
            "RecordParameter": record_parameter(settings.cluster_name),
            "InitialClusterParameter": initial_cluster_parameter(settings.cluster_name),
            **({"AgentUrl": agent_file.s3_object_url} if settings.attach.attach else {}),
            "QueueUrl": controller.queue.queue_url,
            "DeadLetterQueueUrl": controller.dead_letter_queue.queue_url,
            "FunctionName": controller.function.function_name,
            **domain,
        }.items():
            CfnOutput(self, name, value=value)
