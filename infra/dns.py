"""The private hosted zone in which clients find the cluster, and what the controller may write there."""

from aws_cdk import Aws
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_route53 as route53
from constructs import Construct

from infra.names import domain
from infra.settings import Settings


class Dns(Construct):
    """A zone, made for the VPC or given; names are the controller's to write (docs/dns.md).

    Attributes:
        domain: At and below this name the records are.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, vpc: ec2.IVpc) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        dns = settings.dns
        self.domain = domain(settings.cluster_name, dns.dns_zone_name)
        self.zone: route53.IHostedZone
        if dns.dns_zone_id:
            self.zone = route53.HostedZone.from_hosted_zone_attributes(
                self, "Zone", hosted_zone_id=dns.dns_zone_id, zone_name=dns.dns_zone_name
            )
        else:
            self.zone = route53.PrivateHostedZone(self, "Zone", vpc=vpc, zone_name=dns.dns_zone_name)

    def let_write(self, function: lambda_.Function) -> None:
        """Tell the function where the names are, and let it change those, and no others, of the zone.

        Its role refers to the zone: the zone is deleted after the function, which has emptied it by then.
        """
        settings = self._settings
        schemes = ("http", "https") if settings.tls.tls_transition else (settings.etcd.etcd_client_scheme,)
        for name, value in {
            "DNS_ZONE_ID": self.zone.hosted_zone_id,
            "DNS_ZONE_NAME": settings.dns.dns_zone_name,
            "DNS_TTL_S": str(settings.dns.dns_ttl_s),
            "DNS_CLIENT_SCHEMES": ",".join(schemes),
        }.items():
            function.add_environment(name, value)
        zone_arn = f"arn:{Aws.PARTITION}:route53:::hostedzone/{self.zone.hosted_zone_id}"
        function.add_to_role_policy(
            iam.PolicyStatement(actions=["route53:ListResourceRecordSets"], resources=[zone_arn])
        )
        # https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-conditions-route53.html
        names, kinds = (f"route53:ChangeResourceRecordSets{key}" for key in ("NormalizedRecordNames", "RecordTypes"))
        function.add_to_role_policy(
            iam.PolicyStatement(
                actions=["route53:ChangeResourceRecordSets"],
                resources=[zone_arn],
                conditions={
                    "ForAllValues:StringLike": {names: [self.domain, f"*.{self.domain}"]},
                    "ForAllValues:StringEquals": {kinds: ["A", "SRV", "TXT"]},
                    # "For all values" holds for none at all, too.
                    "Null": {names: "false", kinds: "false"},
                },
            )
        )
