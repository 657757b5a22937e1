"""The function that decides, and everything that makes it look: events, schedule, queue."""

from aws_cdk import Duration, Names, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.cluster_function import FunctionPlace, cluster_function, function_log
from infra.controller_environment import controller_environment
from infra.function_in_vpc import keep_code_from_the_network, let_lambda_make_interfaces
from infra.nag import acknowledge_wildcard
from infra.names import parameter_prefix
from infra.settings import Settings

HANDLER = "etcd_aws_cluster.entry.handle"
"""Path of the function in ``lambda_src``; a test checks that it is there."""


class Controller(Construct):
    """One run at a time, of one cluster, whatever comes in."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        place: FunctionPlace,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self.dead_letter_queue = sqs.Queue(
            self,
            "DeadLetters",
            fifo=True,
            content_based_deduplication=True,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            retention_period=Duration.days(14),
            enforce_ssl=True,
        )
        self.queue = sqs.Queue(
            self,
            "Queue",
            fifo=True,
            content_based_deduplication=True,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            visibility_timeout=Duration.seconds(settings.controller.visibility_timeout_s),
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_letter_queue, max_receive_count=settings.controller.max_receive_count
            ),
            enforce_ssl=True,
        )
        self.log_group = function_log(self, settings.controller)
        self.role = self._role()
        self.function = cluster_function(
            self,
            settings.controller,
            place,
            description=f"Forms, joins, shrinks and heals the etcd cluster {settings.cluster_name}",
            handler=HANDLER,
            role=self.role,
            log_group=self.log_group,
            environment=controller_environment(settings, self.dead_letter_queue.queue_url),
            timeout=Duration.seconds(settings.controller.function_timeout_s),
            # The queue's one message group already serialises the runs; this holds for any other caller too.
            reserved_concurrent_executions=1 if settings.controller.reserve_concurrency else None,
            tracing=lambda_.Tracing.ACTIVE,
        )
        self.function.add_event_source_mapping(
            f"SqsEventSource:{Names.node_unique_id(self.queue.node)}",
            event_source_arn=self.queue.queue_arn,
            batch_size=10,
            report_batch_item_failures=True,
        )
        keep_code_from_the_network(self, self.role, self.function)
        self._look_when_told_and_regularly()

    def look_at(self, construct_id: str, description: str, pattern: events.EventPattern) -> None:
        """Have the function look when such an event comes."""
        target = targets.SqsQueue(self.queue, message_group_id=self._settings.cluster_name)
        events.Rule(self, construct_id, description=description, event_pattern=pattern, targets=[target])

    def _role(self) -> iam.Role:
        """Make a role of just what the function does, in place of the broader managed policies."""
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        for actions, resource in (
            (
                [
                    "autoscaling:DescribeAutoScalingGroups",
                    "autoscaling:DescribeWarmPool",
                    *(["autoscaling:DescribeLifecycleHooks"] if self._settings.attach.attach else []),
                    "ec2:DescribeInstances",
                    "ec2:DescribeInstanceStatus",
                ],
                "*",
            ),
            (
                [
                    "autoscaling:CompleteLifecycleAction",
                    "autoscaling:RecordLifecycleActionHeartbeat",
                    "autoscaling:SetInstanceHealth",
                ],
                self._group_arn_pattern(),
            ),
            (["ssm:GetParameters", "ssm:PutParameter"], self._parameter_arn_pattern()),
            (["sqs:SendMessage"], self.dead_letter_queue.queue_arn),
            # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html: what Lambda's poller calls.
            (["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"], self.queue.queue_arn),
            (["logs:CreateLogStream", "logs:PutLogEvents"], self.log_group.log_group_arn),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[resource]))
        for resource, reason in (
            ("*", "Describe calls and traces have no resource level."),
            (self._group_arn_pattern(), "The ARN holds an id that is not known before; the group's name is in full."),
            (self._parameter_arn_pattern(), "The parameters of this one cluster, made by the function at run time."),
        ):
            acknowledge_wildcard(role, resource, reason)
        let_lambda_make_interfaces(role, in_given_vpc=bool(self._settings.network.vpc_id))
        return role

    def _look_when_told_and_regularly(self) -> None:
        name = self._settings.cluster_name
        target = targets.SqsQueue(self.queue, message_group_id=name)
        events.Rule(
            self,
            "LifecycleRule",
            description=f"Instances of {name} that wait to be let in or let go",
            event_pattern=events.EventPattern(
                source=["aws.autoscaling"],
                detail_type=[
                    "EC2 Instance-launch Lifecycle Action",
                    "EC2 Instance-terminate Lifecycle Action",
                ],
                detail={"AutoScalingGroupName": [name]},
            ),
            targets=[target],
        )
        events.Rule(
            self,
            "TickRule",
            description=f"Looks at {name} though nothing was heard, for events may be lost",
            schedule=events.Schedule.rate(Duration.minutes(self._settings.timing.tick_interval_min)),
            targets=[target],
        )

    def _group_arn_pattern(self) -> str:
        return Stack.of(self).format_arn(
            service="autoscaling",
            resource="autoScalingGroup:*:autoScalingGroupName",
            resource_name=self._settings.cluster_name,
        )

    def _parameter_arn_pattern(self) -> str:
        return Stack.of(self).format_arn(
            service="ssm", resource="parameter", resource_name=f"{parameter_prefix(self._settings.cluster_name)[1:]}/*"
        )
