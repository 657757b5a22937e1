"""The look at the group as a part of the synth, so that ``cdk deploy`` refuses before it makes anything."""

import boto3
from aws_cdk import Annotations, Environment, Stack
from botocore.exceptions import BotoCoreError, ClientError

from infra.attach.preflight import preflight, recommendations
from infra.attach.reader import read_facts
from infra.settings import Settings

_ACKNOWLEDGED_AS = "etcd-aws-cluster:attach"


def check_group(stack: Stack, settings: Settings, env: Environment) -> None:
    """Note on the stack what forbids to attach, as errors, and what is better changed, as warnings.

    An error stops ``cdk deploy`` of this stack, and neither that of others nor ``cdk destroy``. What cannot be read
    is an error too; without credentials of the account nothing can be deployed either, and a warning says so.
    """
    notes = Annotations.of(stack)
    session = boto3.session.Session(region_name=env.region)
    by_hand = f"python -m infra.attach {settings.cluster_name}"
    try:
        account = session.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        notes.add_warning_v2(_ACKNOWLEDGED_AS, f"{settings.cluster_name} was not looked at: {error}; run {by_hand}")
        return
    if account != env.account:
        told = f"the credentials at hand are of the account {account}, not of {env.account}"
        notes.add_warning_v2(_ACKNOWLEDGED_AS, f"{settings.cluster_name} was not looked at: {told}; run {by_hand}")
        return
    try:
        facts = read_facts(
            session,
            settings.cluster_name,
            vpc_id=settings.network.vpc_id,
            members_security_group_id=settings.attach.members_security_group_id,
        )
    except (BotoCoreError, ClientError) as error:
        notes.add_error(f"{settings.cluster_name} cannot be attached to unseen: {error}")
        return
    for line in preflight(facts):
        notes.add_error(f"{settings.cluster_name} cannot be attached to: {line}")
    for line in recommendations(facts):
        notes.add_warning_v2(_ACKNOWLEDGED_AS, f"{settings.cluster_name}: {line}")
