"""Three alarms: quorum lost, a message given up, a controller that is silent."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.names import METRICS_NAMESPACE
from infra.settings import Settings

_MINUTE = Duration.minutes(1)


class Monitoring(Construct):
    """Says when a person has to look."""

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: Settings, dead_letter_queue: sqs.IQueue
    ) -> None:
        super().__init__(scope, construct_id)
        name, tick_min = settings.cluster_name, settings.timing.tick_interval_min
        alarms = [
            self._metric("QuorumLost", name, _MINUTE).create_alarm(
                self,
                "QuorumLost",
                alarm_description=f"etcd cluster {name} has no quorum: the controller changes nothing until it has",
                threshold=1,
                evaluation_periods=2,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
                # Silence is the third alarm's matter.
                treat_missing_data=cloudwatch.TreatMissingData.IGNORE,
            ),
            dead_letter_queue.metric_approximate_number_of_messages_visible(
                period=_MINUTE, statistic="Maximum"
            ).create_alarm(
                self,
                "DeadLetters",
                alarm_description=f"The controller of etcd cluster {name} gave up on a message",
                threshold=1,
                evaluation_periods=1,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            ),
            self._metric("Tick", name, Duration.minutes(5 * tick_min)).create_alarm(
                self,
                "Silent",
                alarm_description=f"The controller of etcd cluster {name} has not finished a run for five ticks",
                threshold=1,
                evaluation_periods=1,
                comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
                treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
            ),
        ]
        if settings.controller.alarm_topic_arn:
            topic = sns.Topic.from_topic_arn(self, "Topic", settings.controller.alarm_topic_arn)
            for alarm in alarms:
                alarm.add_alarm_action(actions.SnsAction(topic))
                alarm.add_ok_action(actions.SnsAction(topic))

    def _metric(self, name: str, cluster_name: str, period: Duration) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=METRICS_NAMESPACE,
            metric_name=name,
            dimensions_map={"cluster": cluster_name},
            statistic="Maximum",
            period=period,
        )
