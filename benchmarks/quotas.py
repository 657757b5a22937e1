"""What AWS allows one account in one region: rates of calls, and numbers of things.

Default values, us-east-1, as of ``LOOKED_UP``, from stored copies of the pages that each names. Where AWS tells no
figure, or the page was not at hand, one is assumed and says so. Most can be raised on request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LOOKED_UP: Final = "2026-11-27"
_DOCS: Final = "https://docs.aws.amazon.com"


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A bucket of tokens, one for each call.

    Attributes:
        calls: Service and operation of the calls that share it.
        per_s: Tokens that come back in a second.
        burst: Tokens that it holds.
        is_assumed: AWS tells no figure, or it was not found.
    """

    name: str
    calls: frozenset[str]
    per_s: float
    burst: float
    source: str
    is_assumed: bool = False

    def __post_init__(self) -> None:
        """Refuse what would let nothing through, or is a slip of the pen."""
        if not 0 < self.per_s <= self.burst:
            raise ValueError(f"{self.name}: {self.per_s:g} a second of {self.burst:g}, expected 0 < rate <= burst")


@dataclass(frozen=True, kw_only=True)
class Number:
    """So many of a thing.

    Attributes:
        things: Resource types of the template that count, or words of ``scale`` where the template does not say.
        most: How many there may be.
        where: Of what it is the most.
    """

    name: str
    things: tuple[str, ...]
    most: float
    source: str
    where: str = "region"
    is_assumed: bool = False

    def __post_init__(self) -> None:
        """Refuse what nothing fits into."""
        if self.most <= 0:
            raise ValueError(f"{self.name}: at most {self.most:g}, expected more than 0")

    def clusters(self, of_one: Mapping[str, float]) -> float:
        """Return how many clusters fit, of which one has so many of each thing."""
        used = sum(of_one.get(thing, 0) for thing in self.things)
        return self.most / used if used else float("inf")


SSM_READS: Final = frozenset({"ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"})

RATES: Final = (
    Rate(
        name="Parameter Store, reads",
        calls=SSM_READS,
        per_s=40,  # shared by the three; quoted from the page in articles, the page itself was not at hand
        burst=40,
        source=f"{_DOCS}/general/latest/gr/ssm.html",
    ),
    Rate(
        name="Parameter Store, PutParameter",
        calls=frozenset({"ssm:PutParameter"}),
        per_s=3,
        burst=3,
        source=f"{_DOCS}/general/latest/gr/ssm.html",
        is_assumed=True,  # the agent is made for that figure; no copy of the page was at hand
    ),
    Rate(
        name="Auto Scaling, all calls",
        calls=frozenset(
            {
                "autoscaling:DescribeAutoScalingGroups",
                "autoscaling:CompleteLifecycleAction",
                "autoscaling:RecordLifecycleActionHeartbeat",
            }
        ),
        per_s=20,
        burst=100,  # AWS tells that there is one bucket for all calls, not how large: taken as EC2's
        source=f"{_DOCS}/autoscaling/ec2/APIReference/Welcome.html",
        is_assumed=True,
    ),
    Rate(
        name="EC2, DescribeInstances",
        calls=frozenset({"ec2:DescribeInstances"}),
        per_s=20,
        burst=100,  # of the calls that change nothing, with a filter
        source=f"{_DOCS}/ec2/latest/devguide/ec2-api-throttling.html",
    ),
    Rate(
        name="Route 53, all calls",
        calls=frozenset({"route53:ListResourceRecordSets", "route53:ChangeResourceRecordSets"}),
        per_s=5,  # of the whole account, whatever the region
        burst=5,
        source=f"{_DOCS}/Route53/latest/DeveloperGuide/DNSLimitations.html",
    ),
)

HIGHER_BY_PATH: Final = 100
"""GetParametersByPath a second where an account pays for Parameter Store's higher throughput; the same page."""

_VPC = f"{_DOCS}/vpc/latest/userguide/amazon-vpc-limits.html"
_LAMBDA = f"{_DOCS}/lambda/latest/dg/gettingstarted-limits.html"
NUMBERS: Final = (
    Number(name="VPCs", things=("AWS::EC2::VPC",), most=5, source=_VPC),
    Number(name="Elastic IP addresses", things=("AWS::EC2::EIP",), most=5, source=_VPC),
    Number(
        name="EventBridge rules",
        things=("AWS::Events::Rule",),
        most=300,
        source=f"{_DOCS}/eventbridge/latest/userguide/eb-quota.html",
        where="event bus",
    ),
    Number(name="Lambda's network interfaces", things=("function interfaces",), most=500, source=_LAMBDA, where="VPC"),
    Number(
        name="IAM roles",
        things=("AWS::IAM::Role",),
        most=1_000,
        source=f"{_DOCS}/IAM/latest/UserGuide/reference_iam-quotas.html",
        where="account",
    ),
    Number(
        name="Auto Scaling groups",
        things=("AWS::AutoScaling::AutoScalingGroup",),
        most=500,
        source=f"{_DOCS}/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html",
    ),
    Number(
        name="hosted zones, with DNS names",
        things=("zone of names",),
        most=500,
        source=f"{_DOCS}/Route53/latest/DeveloperGuide/DNSLimitations.html",
        where="account",
    ),
    Number(name="security groups", things=("AWS::EC2::SecurityGroup",), most=2_500, source=_VPC),
    Number(
        name="reserved concurrent runs",
        things=("reserved runs",),
        most=900,  # of 1,000, for 100 stay unreserved
        source=_LAMBDA,
    ),
    Number(
        name="parameters",
        things=("parameters",),
        most=10_000,  # standard ones
        source=f"{_DOCS}/systems-manager/latest/userguide/parameter-store-throughput.html",
    ),
    Number(
        name="CloudFormation stacks",
        things=("stack",),
        most=2_000,
        source=f"{_DOCS}/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html",
    ),
)
NETWORK: Final = frozenset({"VPCs", "Elastic IP addresses"})
"""What clusters that share a given VPC do not use up (docs/network.md)."""
