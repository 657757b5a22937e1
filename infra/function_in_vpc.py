"""What Lambda does in a function's name where the function is in a VPC, and the function's own code never."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.nag import acknowledge_wildcard

_LOOKS = ("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets")
_CHANGES = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:UnassignPrivateIpAddresses",
)


def let_lambda_make_interfaces(role: iam.Role, *, in_given_vpc: bool) -> None:
    """Grant what Lambda needs to put a function of that role into a VPC; a given one may be another account's.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
    """
    account = "*" if in_given_vpc else None
    # The widest resource that Lambda takes, in AWS's own words.
    interfaces = Stack.of(role).format_arn(service="ec2", account=account, resource="*", resource_name="*")
    role.add_to_policy(iam.PolicyStatement(actions=list(_LOOKS), resources=["*"]))
    role.add_to_policy(iam.PolicyStatement(actions=list(_CHANGES), resources=[interfaces]))
    acknowledge_wildcard(role, interfaces, "Lambda checks the role against interfaces that are not made yet.")


def keep_code_from_the_network(scope: Construct, role: iam.Role, function: lambda_.Function) -> iam.CfnPolicy:
    """Deny the function's own code what Lambda needs its role for: only calls of the code name the function.

    https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html
    """
    # Not by the role's own method: the function waits for what that makes, and this policy waits for the function.
    return iam.CfnPolicy(
        scope,
        "CodeIsNotLambda",
        policy_name="CodeIsNotLambda",
        roles=[role.role_name],
        policy_document=iam.PolicyDocument(
            statements=[
                iam.PolicyStatement(
                    effect=iam.Effect.DENY,
                    actions=[*_LOOKS, *_CHANGES],
                    resources=["*"],
                    conditions={"ArnEquals": {"lambda:SourceFunctionArn": function.function_arn}},
                )
            ]
        ),
    )
