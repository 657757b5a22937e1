"""Alarms, whom they tell, and the dashboard that shows them."""

from collections.abc import Iterator

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.alarm_topic import AlarmTopic
from infra.alarms import AlarmSpec, alarm_specs
from infra.controller import Controller
from infra.dashboard import dashboard_rows
from infra.metrics import ClusterMetrics
from infra.names import METRICS_NAMESPACE
from infra.settings import Settings


class Monitoring(Construct):
    """Says when a person has to look, and shows that person what is so.

    Nothing has a physical name: any number of clusters share an account.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, controller: Controller) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        metrics = ClusterMetrics(settings, controller)
        specs = alarm_specs(settings, metrics)
        alarms = [self._alarm(spec) for spec in specs]
        for topic in self._topics():
            for alarm in alarms:
                alarm.add_alarm_action(actions.SnsAction(topic))
                alarm.add_ok_action(actions.SnsAction(topic))
        if settings.monitoring.dashboard:
            cloudwatch.Dashboard(self, "Dashboard", widgets=dashboard_rows(settings, metrics, alarms))
        else:
            # What nobody is shown is not paid for: each metric has its price.
            read = sorted({s.metric.metric_name for s in specs if s.metric.namespace == METRICS_NAMESPACE})
            controller.function.add_environment("PUBLISHED_METRICS", ",".join(read))

    def _alarm(self, spec: AlarmSpec) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            spec.name,
            alarm_description=spec.description(self._settings.cluster_name),
            metric=spec.metric,
            threshold=spec.threshold,
            evaluation_periods=spec.of,
            datapoints_to_alarm=spec.needed,
            comparison_operator=spec.operator,
            treat_missing_data=spec.missing,
        )

    def _topics(self) -> Iterator[sns.ITopic]:
        given, email = self._settings.controller.alarm_topic_arn, self._settings.monitoring.alarm_email
        if given:
            yield sns.Topic.from_topic_arn(self, "Topic", given)
        if email:
            yield AlarmTopic(self, "Email", cluster_name=self._settings.cluster_name, email=email).topic
