"""Reads the facts about a group from AWS; reads only."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.attach.facts import Facts, Hook, Record
from infra.clusters import stack_name
from infra.names import record_parameter

if TYPE_CHECKING:
    import boto3

# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstanceRefresh.html
_REFRESHING = frozenset({"Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking"})
# A stack whose first deploy has not succeeded, or that is on its way out.
_MADE_NOTHING = ("REVIEW_", "CREATE_FAILED", "ROLLBACK_", "DELETE_")
_MADE_BY = "aws:cloudformation:stack-name"
_GROUP_OF = "aws:autoscaling:groupName"
_WHOLE_PERCENTAGE = 100


def read_facts(
    session: "boto3.session.Session", name: str, *, vpc_id: str = "", members_security_group_id: str = ""
) -> Facts:
    """Return the facts about the group of that name in the session's account and region.

    Raises:
        botocore.exceptions.ClientError: AWS refused a call.
        botocore.exceptions.BotoCoreError: AWS could not be asked.
    """
    autoscaling, ec2 = session.client("autoscaling"), session.client("ec2")
    found = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    own_stack = stack_name(name)
    asked: dict[str, Any] = {
        "name": name,
        "own_stack": own_stack,
        "wanted_vpc": vpc_id,
        "wanted_group": members_security_group_id,
    }
    if len(found) != 1:
        return Facts(**asked, groups=len(found))
    group: Mapping[str, Any] = found[0]
    instances = _instances(ec2, "instance-id", [each["InstanceId"] for each in group["Instances"]])
    template = _launch_data(autoscaling, ec2, group)
    return Facts(
        **asked,
        **_of_group(group),
        is_attached=_is_there(session, own_stack),
        hooks=_hooks(autoscaling, name),
        refresh=_refresh(autoscaling, name),
        scales_by=_scaling(autoscaling, name),
        user_data=_text(template.get("UserData", "")) if template is not None else None,
        template_groups=_template_groups(template) if template is not None else None,
        vpcs=_vpcs(ec2, group),
        security_groups={each["InstanceId"]: _groups(each) for each in instances},
        neighbours=_neighbours(ec2, name, members_security_group_id),
        record=_record(session, name),
        wanted_group_vpc=_vpc_of(ec2, members_security_group_id),
    )


def _of_group(group: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that the group's own description has."""
    tags = {tag["Key"]: tag.get("Value", "") for tag in group.get("Tags", [])}
    policy = group.get("InstanceMaintenancePolicy") or {}
    desired = group["DesiredCapacity"]
    triggers = (group.get("InstanceLifecyclePolicy") or {}).get("RetentionTriggers") or {}
    return {
        "arn": group["AutoScalingGroupARN"],
        "is_deleting": bool(group.get("Status")),
        "stack": tags.get(_MADE_BY, ""),
        "desired": desired,
        "min_size": group["MinSize"],
        "max_size": group["MaxSize"],
        "counts_in": _unit(group),
        "states": {each["InstanceId"]: each["LifecycleState"] for each in group["Instances"]},
        "protected": tuple(each["InstanceId"] for each in group["Instances"] if each.get("ProtectedFromScaleIn")),
        "suspended": tuple(each["ProcessName"] for each in group.get("SuspendedProcesses", [])),
        "health_check_type": group.get("HealthCheckType", ""),
        "health_check_grace_s": group.get("HealthCheckGracePeriod", 0),
        "has_warm_pool": "WarmPoolConfiguration" in group,
        "protects_new": bool(group.get("NewInstancesProtectedFromScaleIn")),
        "retains": triggers.get("TerminateHookAbandon") == "retain",
        # As many have to be healthy as are desired, where a part of an instance counts as one.
        "replaces_first": policy.get("MinHealthyPercentage", -1) * desired > _WHOLE_PERCENTAGE * max(desired - 1, 0),
    }


def _unit(group: Mapping[str, Any]) -> str:
    """What the capacity is counted in, if not in instances.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-mixed-instances-groups-instance-weighting.html
    """
    kind = group.get("DesiredCapacityType") or "units"
    overrides = ((group.get("MixedInstancesPolicy") or {}).get("LaunchTemplate") or {}).get("Overrides") or []
    weights = {each.get("WeightedCapacity") or "1" for each in overrides}
    if kind != "units":
        return str(kind)
    return "weights of instance types" if weights - {"1"} else ""


def _is_there(session: "boto3.session.Session", stack: str) -> bool:
    try:
        found = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in error.response["Error"]["Message"]:
            return False
        raise
    return not any(each["StackStatus"].startswith(_MADE_NOTHING) for each in found)


def _hooks(autoscaling: Any, name: str) -> tuple[Hook, ...]:  # noqa: ANN401 - a boto3 client, as below
    found = autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=name)["LifecycleHooks"]
    return tuple(
        Hook(
            name=each["LifecycleHookName"],
            transition=each["LifecycleTransition"].rpartition("_")[2],
            default_result=each["DefaultResult"],
        )
        for each in found
    )


def _refresh(autoscaling: Any, name: str) -> str:  # noqa: ANN401
    found = autoscaling.describe_instance_refreshes(AutoScalingGroupName=name)["InstanceRefreshes"]
    return next((str(each["Status"]) for each in found if each["Status"] in _REFRESHING), "")


def _scaling(autoscaling: Any, name: str) -> tuple[str, ...]:  # noqa: ANN401
    policies = autoscaling.describe_policies(AutoScalingGroupName=name)["ScalingPolicies"]
    actions = autoscaling.describe_scheduled_actions(AutoScalingGroupName=name)["ScheduledUpdateGroupActions"]
    return (
        *(f"scaling policy {each['PolicyName']}" for each in policies),
        *(f"scheduled action {each['ScheduledActionName']}" for each in actions),
    )


def _launch_data(autoscaling: Any, ec2: Any, group: Mapping[str, Any]) -> Mapping[str, Any] | None:  # noqa: ANN401
    """What instances are launched from: LaunchTemplateData, or a launch configuration in its words; None if unknown."""
    mixed = (group.get("MixedInstancesPolicy") or {}).get("LaunchTemplate") or {}
    template = group.get("LaunchTemplate") or mixed.get("LaunchTemplateSpecification")
    if template:
        versions = ec2.describe_launch_template_versions(
            LaunchTemplateId=template["LaunchTemplateId"], Versions=[template.get("Version") or "$Default"]
        )["LaunchTemplateVersions"]
        return versions[0]["LaunchTemplateData"] if versions else None
    name = group.get("LaunchConfigurationName")
    if not name:
        return None
    found = autoscaling.describe_launch_configurations(LaunchConfigurationNames=[name])["LaunchConfigurations"]
    return {**found[0], "SecurityGroupIds": found[0].get("SecurityGroups", [])} if found else None


def _text(user_data: str) -> str | None:
    """User data as text; None for what is none, such as a compressed one."""
    try:
        return base64.b64decode(user_data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _template_groups(template: Mapping[str, Any]) -> frozenset[str] | None:
    of_interfaces = [group for each in template.get("NetworkInterfaces", []) for group in each.get("Groups", [])]
    groups = [*template.get("SecurityGroupIds", []), *of_interfaces]
    return frozenset(groups) if groups else None


def _vpcs(ec2: Any, group: Mapping[str, Any]) -> frozenset[str]:  # noqa: ANN401
    subnets = [each.strip() for each in group.get("VPCZoneIdentifier", "").split(",") if each.strip()]
    found = ec2.describe_subnets(SubnetIds=subnets)["Subnets"] if subnets else []
    return frozenset(each["VpcId"] for each in found)


def _vpc_of(ec2: Any, security_group_id: str) -> str | None:  # noqa: ANN401
    if not security_group_id:
        return None
    try:
        found = ec2.describe_security_groups(GroupIds=[security_group_id])["SecurityGroups"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvalidGroup.NotFound":
            return None
        raise
    return str(found[0]["VpcId"])


def _instances(ec2: Any, by: str, values: list[str]) -> list[Mapping[str, Any]]:  # noqa: ANN401
    if not values:
        return []
    pages = ec2.get_paginator("describe_instances").paginate(Filters=[{"Name": by, "Values": values}])
    return [each for page in pages for reservation in page["Reservations"] for each in reservation["Instances"]]


def _groups(instance: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(each["GroupId"] for each in instance.get("SecurityGroups", []))


def _neighbours(ec2: Any, name: str, security_group_id: str) -> tuple[str, ...]:  # noqa: ANN401
    sharing = _instances(ec2, "instance.group-id", [security_group_id] if security_group_id else [])
    tags = [tag for each in sharing for tag in each.get("Tags", []) if each["State"]["Name"] != "terminated"]
    return tuple(sorted({tag["Value"] for tag in tags if tag["Key"] == _GROUP_OF} - {name}))


def _record(session: "boto3.session.Session", name: str) -> Record | None:
    found = session.client("ssm").get_parameters(Names=[record_parameter(name)])["Parameters"]
    if not found:
        return None
    try:
        told = json.loads(found[0]["Value"])
        return Record(state=str(told["state"]), group_arn=str(told["group_arn"]))
    except (ValueError, TypeError, KeyError):
        return Record(state="", group_arn="")
