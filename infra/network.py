"""The VPC, new or given, and the endpoints through which a VPC without internet access reaches AWS."""

from aws_cdk import Fn
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.nag import acknowledge
from infra.settings.network import NetworkSettings

# What instances (ssm) and controller (all of them) call. Logs and traces leave a function outside of its VPC.
_ENDPOINTS = {
    "Ssm": ec2.InterfaceVpcEndpointAwsService.SSM,
    "Autoscaling": ec2.InterfaceVpcEndpointAwsService.AUTOSCALING,
    "Ec2": ec2.InterfaceVpcEndpointAwsService.EC2,
    "Sqs": ec2.InterfaceVpcEndpointAwsService.SQS,
    # A rollout that takes longer than one run of its function calls itself.
    "Lambda": ec2.InterfaceVpcEndpointAwsService.LAMBDA_,
}


class Network(Construct):
    """A VPC whose instances have no public address."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: NetworkSettings) -> None:
        super().__init__(scope, construct_id)
        subnet_type = (
            ec2.SubnetType.PRIVATE_WITH_EGRESS if settings.egress == "nat" else ec2.SubnetType.PRIVATE_ISOLATED
        )
        self.subnets = ec2.SubnetSelection(subnet_type=subnet_type)
        self.vpc: ec2.IVpc
        if settings.vpc_id:
            self.vpc = ec2.Vpc.from_lookup(self, "Vpc", vpc_id=settings.vpc_id)
        else:
            self.vpc = self._new_vpc(settings, subnet_type)

    def add_endpoints(self, security_group: ec2.ISecurityGroup, *, with_secrets: bool) -> None:
        """Let whoever ``security_group`` admits reach the AWS APIs without leaving the VPC."""
        # Secrets Manager asks KMS itself.
        secrets = {"SecretsManager": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER} if with_secrets else {}
        for name, service in (_ENDPOINTS | secrets).items():
            ec2.InterfaceVpcEndpoint(
                self,
                f"{name}Endpoint",
                vpc=self.vpc,
                service=service,
                subnets=self.subnets,
                security_groups=[security_group],
                # The security groups say who may; the default would be the whole VPC.
                open=False,
            )

    def _new_vpc(self, settings: NetworkSettings, subnet_type: ec2.SubnetType) -> ec2.Vpc:
        with_nat = subnet_type == ec2.SubnetType.PRIVATE_WITH_EGRESS
        public = [
            ec2.SubnetConfiguration(
                name="Public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=28, map_public_ip_on_launch=False
            )
        ]
        vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(settings.vpc_cidr),
            # By position, not by name: the app is the same in every account and region, and asks nobody.
            availability_zones=[Fn.select(index, Fn.get_azs()) for index in range(settings.az_count)],
            nat_gateways=settings.nat_gateways if with_nat else 0,
            subnet_configuration=[
                ec2.SubnetConfiguration(name="Members", subnet_type=subnet_type),
                *(public if with_nat else []),
            ],
            gateway_endpoints={"S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)},
        )
        acknowledge(vpc, "VPC7", "Flow logs cost by traffic and are for the owner of the account to decide.")
        return vpc
