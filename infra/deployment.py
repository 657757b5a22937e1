"""The function that CloudFormation asks: may a running cluster be changed so, and has it been rolled out."""

from aws_cdk import CustomResource, Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.cluster_function import FunctionPlace, cluster_function, function_log
from infra.controller_environment import controller_environment
from infra.deployed import deployed_as
from infra.function_in_vpc import keep_code_from_the_network, let_lambda_make_interfaces
from infra.nag import acknowledge_wildcard
from infra.names import parameter_prefix
from infra.settings import Settings

HANDLER = "etcd_aws_cluster.deployment.handler.handle"
"""Path of the function in ``lambda_src``; a test checks that it is there."""
GUARD = "Custom::EtcdGuard"
ROLLOUT = "Custom::EtcdRollout"


class Deployment(Construct):
    """Guard and rollout: two custom resources of one function; its code is the controller's (docs/decisions/0016).

    Attributes:
        guard: What can harm a running cluster is made after it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        place: FunctionPlace,
        dead_letter_queue_url: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self.log_group = function_log(self, settings.controller)
        self.role = self._role()
        self.function = cluster_function(
            self,
            settings.controller,
            place,
            description=f"Guards deployments of the etcd cluster {settings.cluster_name} and rolls them out",
            handler=HANDLER,
            role=self.role,
            log_group=self.log_group,
            environment={
                **controller_environment(settings, dead_letter_queue_url),
                "POWERTOOLS_TRACE_DISABLED": "true",  # it is not traced, unlike the controller
            },
            timeout=Duration.minutes(15),
        )
        denied = keep_code_from_the_network(self, self.role, self.function)
        # A policy of its own: within the role's, the function and its role would wait for each other.
        goes_on = iam.Policy(
            self,
            "GoesOn",
            roles=[self.role],
            statements=[iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[self.function.function_arn])],
        )
        self.guard = CustomResource(
            self,
            "Guard",
            service_token=self.function.function_arn,
            service_timeout=Duration.minutes(10),
            resource_type=GUARD,
            properties={"Deployed": deployed_as(settings)},
        )
        self.guard.node.add_dependency(goes_on, denied)

    def roll_out(self, *, launch_template_id: str, launch_template_version: str) -> CustomResource:
        """Have the instances replaced when the launch template has changed; make it after the group."""
        rollout = self._settings.rollout
        return CustomResource(
            self,
            "Rollout",
            service_token=self.function.function_arn,
            service_timeout=Duration.hours(1),
            resource_type=ROLLOUT,
            properties={
                # Not read: a change of them is why CloudFormation asks.
                "LaunchTemplateId": launch_template_id,
                "LaunchTemplateVersion": launch_template_version,
                "Mode": rollout.rollout,
                "TimeoutMinutes": rollout.rollout_timeout_min,
            },
        )

    def _role(self) -> iam.Role:
        """Make a role of just what guard and rollout do."""
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        stack, name = Stack.of(self), self._settings.cluster_name
        group = stack.format_arn(
            service="autoscaling", resource="autoScalingGroup:*:autoScalingGroupName", resource_name=name
        )
        parameters = [
            stack.format_arn(service="ssm", resource="parameter", resource_name=f"{parameter_prefix(name)[1:]}/{each}")
            for each in ("record", "initial-cluster")
        ]
        for actions, resources in (
            (
                [
                    "autoscaling:DescribeAutoScalingGroups",
                    "autoscaling:DescribeInstanceRefreshes",
                    "autoscaling:DescribeScalingActivities",
                    "autoscaling:DescribeWarmPool",
                    "ec2:DescribeInstances",
                    "ec2:DescribeLaunchTemplateVersions",
                ],
                ["*"],
            ),
            (
                [
                    "autoscaling:CancelInstanceRefresh",
                    "autoscaling:SetInstanceProtection",
                    "autoscaling:StartInstanceRefresh",
                ],
                [group],
            ),
            (["ssm:GetParameters"], parameters),
            (["logs:CreateLogStream", "logs:PutLogEvents"], [self.log_group.log_group_arn]),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=actions, resources=resources))
        let_lambda_make_interfaces(role, in_given_vpc=bool(self._settings.network.vpc_id))
        acknowledge_wildcard(role, "*", "What guard and rollout describe has no resource level.")
        acknowledge_wildcard(role, group, "The ARN holds an id that is not known before; the group's name is in full.")
        return role
