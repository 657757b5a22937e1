"""One etcd cluster: puts the parts together and says in which order they come and go."""

from aws_cdk import CfnOutput, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.attached_group import AttachedAccess, AttachedHooks
from infra.bundling import AssetMaker
from infra.cluster_function import FunctionPlace
from infra.controller import Controller
from infra.deployment import Deployment
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
        self._settings = settings
        self._network = Network(self, "Network", settings=settings.network)
        self._access = self._admit()
        self._place = FunctionPlace(
            code=controller_code,
            vpc=self._network.vpc,
            subnets=ec2.SubnetSelection(subnets=self._network.subnets),
            security_group=self._access.controller,
        )
        self._controller = Controller(
            self,
            "Controller",
            settings=settings,
            place=self._place,
        )
        domain: dict[str, str] = {}
        if settings.dns.dns_zone_name:
            dns = Dns(self, "Dns", settings=settings, vpc=self._network.vpc)
            dns.let_write(self._controller.function)
            domain = {"DnsDomain": dns.domain}
        monitoring = Monitoring(self, "Monitoring", settings=settings, controller=self._controller)
        self._agent = agent(self, "Agent")
        if settings.attach.attach:
            self._attach(monitoring)
        else:
            self._make_members(monitoring)
        self._tell(domain)

    def _admit(self) -> NetworkAccess | AttachedAccess:
        """Say who may talk to whom."""
        settings, network = self._settings, self._network
        if settings.attach.attach:
            return AttachedAccess(self, "Access", settings=settings, vpc=network.vpc)
        access = NetworkAccess(
            self,
            "Access",
            vpc=network.vpc,
            client_port=settings.etcd.etcd_client_port,
            server_port=settings.etcd.etcd_server_port,
        )
        endpoints = endpoints_to_make(settings)
        if endpoints:
            # A client's way to ask for a certificate: where the endpoint is, the service's name leads nowhere else.
            asks = settings.pki == "automatic" and "ssm" in endpoints
            network.add_endpoints(endpoints, access.endpoints(for_clients=asks))
        return access

    def _attach(self, monitoring: Monitoring) -> None:
        """Put hooks to the group that is there, when everything that answers them is at work."""
        pki = Pki(self, "Pki", settings=self._settings, controller=self._controller)
        hooks = AttachedHooks(self, "Hooks", settings=self._settings)
        hooks.node.add_dependency(self._network, self._access, self._controller, pki)
        # Not after the hooks, which are last: what fails later would take them back from instances that wait in them.
        monitoring.node.add_dependency(self._controller)

    def _make_members(self, monitoring: Monitoring) -> None:
        """Make the group, between the guard of its deployments and what rolls them out."""
        settings, network, controller = self._settings, self._network, self._controller
        deployment = Deployment(
            self,
            "Deployment",
            settings=settings,
            place=self._place,
            dead_letter_queue_url=controller.dead_letter_queue.queue_url,
        )
        members = MemberGroup(
            self,
            "Members",
            settings=settings,
            subnets=network.subnets,
            security_group=self._access.members,
            agent=self._agent,
        )
        pki = Pki(self, "Pki", settings=settings, controller=controller, deployment=deployment, hosts=members.role)
        # The first instance finds the whole controller at work, and the last one is let go by it.
        members.group.node.add_dependency(network, self._access, controller, pki)
        # An alarm for silence rings at once where nothing has run yet.
        monitoring.node.add_dependency(members.group)
        # What the guard refuses changes nothing: not the instances, and not what their controller believes of them.
        deployment.guard.node.add_dependency(network, self._access)
        controller.function.node.add_dependency(deployment.guard)
        members.template.node.add_dependency(deployment.guard)
        # Nothing that could fail comes after it, for instances that were replaced do not go back to an older etcd.
        rollout = deployment.roll_out(
            launch_template_id=members.template.ref,
            launch_template_version=members.template.attr_latest_version_number,
        )
        rollout.node.add_dependency(members, controller, pki, monitoring)

    def _tell(self, more: dict[str, str]) -> None:
        """Make the outputs."""
        name, controller = self._settings.cluster_name, self._controller
        if self._access.clients:
            CfnOutput(
                self,
                "ClientSecurityGroupId",
                value=self._access.clients.security_group_id,
                # Two clusters of one name cannot be in one account and region: their groups would be one.
                export_name=client_security_group_export(name),
            )
        for output, value in {
            "ClusterName": name,
            "RecordParameter": record_parameter(name),
            "InitialClusterParameter": initial_cluster_parameter(name),
            **({"AgentUrl": self._agent.s3_object_url} if self._settings.attach.attach else {}),
            "QueueUrl": controller.queue.queue_url,
            "DeadLetterQueueUrl": controller.dead_letter_queue.queue_url,
            "FunctionName": controller.function.function_name,
            **more,
        }.items():
            CfnOutput(self, output, value=value)
