"""A topic of our own for the alarms, encrypted, and its one subscriber."""

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct


class AlarmTopic(Construct):
    """Sends to one e-mail address what CloudWatch alarms of this account publish; nobody else may publish."""

    def __init__(self, scope: Construct, construct_id: str, *, cluster_name: str, email: str) -> None:
        super().__init__(scope, construct_id)
        cloudwatch = iam.ServicePrincipal("cloudwatch.amazonaws.com")
        # The key that AWS keeps for SNS lets no alarm publish, hence one of our own.
        # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
        key = kms.Key(
            self,
            "Key",
            description=f"Alarms of etcd cluster {cluster_name}",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.DESTROY,
        )
        key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[cloudwatch],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        self.topic = sns.Topic(
            self, "Topic", display_name=f"Alarms of etcd cluster {cluster_name}", master_key=key, enforce_ssl=True
        )
        # A policy of its own, which enforces TLS, takes the place of the one that lets the account publish.
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[cloudwatch],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        self.topic.add_subscription(subscriptions.EmailSubscription(email))
