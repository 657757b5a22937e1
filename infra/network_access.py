"""Who may talk to whom: four security groups that name each other."""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

_HTTPS = ec2.Port.tcp(443)


class NetworkAccess(Construct):
    """Client port for the controller and declared clients, peer port among members, HTTPS outwards; nothing else."""

    def __init__(
        self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc, client_port: int, server_port: int
    ) -> None:
        super().__init__(scope, construct_id)
        self._vpc = vpc
        self.members = self._group("Members", "etcd members")
        self.controller = self._group("Controller", "etcd controller")
        self.clients = self._group("Clients", "Attach to whatever shall use etcd")

        self.members.connections.allow_internally(ec2.Port.tcp(server_port), "etcd peers")
        for client in (self.controller, self.clients):
            self.members.connections.allow_from(client, ec2.Port.tcp(client_port), "etcd clients")
        for caller in (self.members, self.controller):
            caller.add_egress_rule(ec2.Peer.any_ipv4(), _HTTPS, "AWS APIs and downloads")

    def endpoints(self, *, for_clients: bool) -> ec2.SecurityGroup:
        """Make the group of the VPC endpoints: HTTPS from members and controller, and from clients if they need it."""
        group = self._group("Endpoints", "AWS APIs of the etcd cluster")
        for caller in (self.members, self.controller):
            group.add_ingress_rule(caller, _HTTPS, "AWS APIs")
        if for_clients:
            group.connections.allow_from(self.clients, _HTTPS, "requests for certificates")
        return group

    def _group(self, name: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(self, name, vpc=self._vpc, description=description, allow_all_outbound=False)
