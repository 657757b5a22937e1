"""The VPC, new or given, and the endpoints through which a VPC without internet access reaches AWS."""

from collections.abc import Iterable

from aws_cdk import Fn
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.nag import acknowledge
from infra.network_endpoints import S3
from infra.settings.network import NetworkSettings
from infra.settings.rules import KEY_PREFIX, SettingsError

_AWS_SERVICE = ec2.InterfaceVpcEndpointAwsService
_SERVICES: dict[str, ec2.IInterfaceVpcEndpointService] = {
    "ssm": _AWS_SERVICE.SSM,
    "autoscaling": _AWS_SERVICE.AUTOSCALING,
    "ec2": _AWS_SERVICE.EC2,
    "sqs": _AWS_SERVICE.SQS,
    "lambda": _AWS_SERVICE.LAMBDA_,
    "secretsmanager": _AWS_SERVICE.SECRETS_MANAGER,
    # One for the world, reached across regions:
    # https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-cross-region-privatelink-support.html
    "route53": ec2.InterfaceVpcEndpointService("com.amazonaws.route53", 443),
}
_REGIONS = {"route53": "us-east-1"}


class Network(Construct):
    """A VPC whose instances have no public address."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: NetworkSettings) -> None:
        super().__init__(scope, construct_id)
        subnet_type = (
            ec2.SubnetType.PRIVATE_WITH_EGRESS if settings.egress == "nat" else ec2.SubnetType.PRIVATE_ISOLATED
        )
        self.vpc: ec2.IVpc
        self.subnets: list[ec2.ISubnet]
        if settings.vpc_id:
            self.vpc = ec2.Vpc.from_lookup(self, "Vpc", vpc_id=settings.vpc_id)
        else:
            self.vpc = self._new_vpc(settings, subnet_type)
        # Until the CDK CLI has looked a given VPC up, a made-up one stands in for it.
        if settings.vpc_id and not self.vpc.select_subnets(subnets=[]).is_pending_lookup:
            self.subnets = self._exactly(settings) if settings.subnet_ids else self._of_kind(settings)
        else:
            self.subnets = self.vpc.select_subnets(subnet_type=subnet_type).subnets

    def add_endpoints(self, names: Iterable[str], security_group: ec2.ISecurityGroup) -> None:
        """Let whoever ``security_group`` admits reach AWS APIs, and all of the subnets S3, without leaving the VPC."""
        for name in names:
            construct_id = f"{name.capitalize()}Endpoint"
            if name == S3:
                ec2.GatewayVpcEndpoint(
                    self,
                    construct_id,
                    vpc=self.vpc,
                    service=ec2.GatewayVpcEndpointAwsService.S3,
                    subnets=[ec2.SubnetSelection(subnets=self.subnets)],
                )
                continue
            ec2.InterfaceVpcEndpoint(
                self,
                construct_id,
                vpc=self.vpc,
                service=_SERVICES[name],
                service_region=_REGIONS.get(name),
                private_dns_enabled=True,
                subnets=self._one_in_each_zone(),
                security_groups=[security_group],
                # The security groups say who may; the default would be the whole VPC.
                open=False,
            )

    def _of_kind(self, settings: NetworkSettings) -> list[ec2.ISubnet]:
        """Find the subnets of the given VPC that have the way out that the settings say.

        Raises:
            SettingsError: It has none, as far as its route tables tell.
        """
        with_nat = settings.egress == "nat"
        found = list(self.vpc.private_subnets if with_nat else self.vpc.isolated_subnets)
        if not found:
            kind = "with a way out by a NAT gateway" if with_nat else "without any way out"
            raise SettingsError(
                f"{KEY_PREFIX}vpc_id: got {settings.vpc_id}, expected one that has subnets {kind}, which "
                f"{KEY_PREFIX}egress={settings.egress} is for; or name those to use in {KEY_PREFIX}subnet_ids"
            )
        return found

    def _exactly(self, settings: NetworkSettings) -> list[ec2.ISubnet]:
        """Find the given subnets.

        Raises:
            SettingsError: The VPC does not have one of them, or it is public: a function there reaches nothing.
        """
        known = {subnet.subnet_id: subnet for subnet in (*self.vpc.private_subnets, *self.vpc.isolated_subnets)}
        wanted = settings.subnet_ids.split(",")
        missing = [subnet_id for subnet_id in wanted if subnet_id not in known]
        if missing:
            raise SettingsError(
                f"{KEY_PREFIX}subnet_ids: got {', '.join(missing)}, "
                f"expected private or isolated subnets of {settings.vpc_id}: {', '.join(sorted(known))}"
            )
        return [known[subnet_id] for subnet_id in wanted]

    def _one_in_each_zone(self) -> ec2.SubnetSelection:
        """Select subnets for interface endpoints: two in one zone are refused by EC2."""
        by_zone: dict[str, ec2.ISubnet] = {}
        for subnet in self.subnets:
            by_zone.setdefault(subnet.availability_zone, subnet)
        return ec2.SubnetSelection(subnets=list(by_zone.values()))

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
