"""What the app's two functions have in common: log, code, runtime, place in the network."""

from dataclasses import dataclass
from typing import Any

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.bundling import function_architecture, function_runtime
from infra.nag import acknowledge
from infra.settings.controller import NEWEST_RUNTIME, ControllerSettings


@dataclass(frozen=True, kw_only=True)
class FunctionPlace:
    """The code of both functions, and where they run."""

    code: lambda_.Code
    vpc: ec2.IVpc
    subnets: ec2.SubnetSelection
    security_group: ec2.ISecurityGroup


def function_log(scope: Construct, settings: ControllerSettings) -> logs.LogGroup:
    """Make the log of a function; apart from it, for the function's role names the log."""
    return logs.LogGroup(
        scope, "Log", retention=_retention(settings.log_retention_days), removal_policy=RemovalPolicy.DESTROY
    )


def cluster_function(
    scope: Construct,
    settings: ControllerSettings,
    place: FunctionPlace,
    **its_own: Any,  # noqa: ANN401 - handed on as they are
) -> lambda_.Function:
    """Make a function.

    Args:
        scope: Holds it.
        settings: Of runtime, processor and memory.
        place: Its code, and where it runs.
        its_own: What differs, as ``aws_lambda.Function`` takes it.
    """
    function = lambda_.Function(
        scope,
        "Function",
        runtime=function_runtime(settings),
        architecture=function_architecture(settings),
        code=place.code,
        memory_size=settings.function_memory_mib,
        vpc=place.vpc,
        vpc_subnets=place.subnets,
        security_groups=[place.security_group],
        **its_own,
    )
    if settings.function_runtime != NEWEST_RUNTIME:
        acknowledge(function, "L1", "An older runtime was asked for: etcd:function_runtime.")
    return function


def _retention(days: int) -> logs.RetentionDays:
    """The enumeration's name for a number of days, all of which the settings have checked."""
    names = {
        30: "ONE_MONTH",
        60: "TWO_MONTHS",
        90: "THREE_MONTHS",
        120: "FOUR_MONTHS",
        180: "SIX_MONTHS",
        365: "ONE_YEAR",
    }
    weeks = {1: "ONE_DAY", 3: "THREE_DAYS", 5: "FIVE_DAYS", 7: "ONE_WEEK", 14: "TWO_WEEKS"}
    return logs.RetentionDays[(names | weeks)[days]]
