"""The Auto Scaling group whose instances are the members of the cluster."""

from collections.abc import Iterable

from aws_cdk import Aws, CfnTag, Fn, Stack
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from infra.deployed import TAG, deployed_as
from infra.nag import acknowledge
from infra.names import LAUNCH_HOOK, TERMINATE_HOOK, record_parameter
from infra.settings import SIZES, Settings
from infra.user_data import Unknown, etcd_url, render_user_data

_DATA_DEVICE = "/dev/sdf"
# Canonical's word for a processor is etcd's: https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/
_UBUNTU = "/aws/service/canonical/ubuntu/server/24.04/stable/current/{}/hvm/ebs-gp3/ami-id"
# etcd's word, and Amazon Linux's, for a processor.
_PROCESSORS = {
    ec2.InstanceArchitecture.X86_64: ("amd64", ec2.AmazonLinuxCpuType.X86_64),
    ec2.InstanceArchitecture.ARM_64: ("arm64", ec2.AmazonLinuxCpuType.ARM_64),
}


class MemberGroup(Construct):
    """The group, named like the cluster, with its launch template and the role of its instances.

    No update policy: CloudFormation's knows nothing of voters. An instance refresh replaces the instances, one voter at
    a time through the hooks; the deployment starts it (docs/decisions/0016).
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        subnets: Iterable[ec2.ISubnet],
        security_group: ec2.ISecurityGroup,
        agent: s3_assets.Asset,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._agent = agent
        instance_type = ec2.InstanceType(settings.members.instance_type)
        self._processor, self._cpu_type = _PROCESSORS[instance_type.architecture]
        self.role = self._role()
        self.template = self._launch_template(security_group)
        self.group = autoscaling.CfnAutoScalingGroup(
            self,
            "Group",
            auto_scaling_group_name=settings.cluster_name,
            min_size=str(settings.size),
            # Room for set-desired-capacity, and for a refresh that launches before it terminates.
            max_size=str(max(SIZES) + 1),
            desired_capacity=str(settings.size),
            vpc_zone_identifier=[subnet.subnet_id for subnet in subnets],
            launch_template=autoscaling.CfnAutoScalingGroup.LaunchTemplateSpecificationProperty(
                launch_template_id=self.template.ref, version=self.template.attr_latest_version_number
            ),
            # In the group's own resource: a hook that is made after the group misses its first instances.
            lifecycle_hook_specification_list=[
                _hook(LAUNCH_HOOK, "LAUNCHING", settings.timing.launch_hook_timeout_s),
                _hook(TERMINATE_HOOK, "TERMINATING", settings.timing.terminate_hook_timeout_s),
            ],
            # An instance that etcd would not let go stays up, with its data, until a person has looked.
            instance_lifecycle_policy=autoscaling.CfnAutoScalingGroup.InstanceLifecyclePolicyProperty(
                retention_triggers=autoscaling.CfnAutoScalingGroup.RetentionTriggersProperty(
                    terminate_hook_abandon="retain"
                )
            ),
            health_check_type="EC2",
            health_check_grace_period=settings.members.health_check_grace_s,
            # InService already means a caught-up voter: an instance refresh need not wait any longer.
            default_instance_warmup=0,
            termination_policies=["OldestLaunchTemplate", "OldestInstance"],
            metrics_collection=[autoscaling.CfnAutoScalingGroup.MetricsCollectionProperty(granularity="1Minute")],
            tags=[
                autoscaling.CfnAutoScalingGroup.TagPropertyProperty(
                    key="Name", value=settings.cluster_name, propagate_at_launch=True
                )
            ],
        )
        self.group.node.add_dependency(self.role)
        acknowledge(self.group, "AS3", "The controller reports; notices of every scaling would repeat it.")

    def _role(self) -> iam.Role:
        """Make a role that can read the record, the agent and, from S3, the etcd archive."""
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
        record = Stack.of(self).format_arn(
            service="ssm", resource="parameter", resource_name=record_parameter(self._settings.cluster_name)[1:]
        )
        objects = [self._agent.bucket.arn_for_objects(self._agent.s3_object_key)]
        objects += [
            Stack.of(self).format_arn(service="s3", region="", account="", resource=address.removeprefix("s3://"))
            for address in (etcd_url(self._settings, self._processor), self._settings.members.agent_image)
            if address.startswith("s3://")
        ]
        role.add_to_policy(iam.PolicyStatement(actions=["ssm:GetParameter"], resources=[record]))
        role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=objects))
        return role

    def _launch_template(self, security_group: ec2.ISecurityGroup) -> ec2.CfnLaunchTemplate:
        members = self._settings.members
        tags = [
            CfnTag(key="Name", value=self._settings.cluster_name),
            # By which volumes are found that were kept when their instance ended.
            CfnTag(key="etcd-aws-cluster", value=self._settings.cluster_name),
        ]
        return ec2.CfnLaunchTemplate(
            self,
            "Template",
            launch_template_data=ec2.CfnLaunchTemplate.LaunchTemplateDataProperty(
                image_id=members.ami_id or self._newest_image().get_image(self).image_id,
                instance_type=members.instance_type,
                iam_instance_profile=ec2.CfnLaunchTemplate.IamInstanceProfileProperty(
                    arn=iam.CfnInstanceProfile(self, "Profile", roles=[self.role.role_name]).attr_arn
                ),
                instance_initiated_shutdown_behavior="terminate",
                network_interfaces=[
                    ec2.CfnLaunchTemplate.NetworkInterfaceProperty(
                        device_index=0,
                        # Said here too, for the subnets of a given VPC may say otherwise.
                        associate_public_ip_address=False,
                        groups=[security_group.security_group_id],
                    )
                ],
                metadata_options=ec2.CfnLaunchTemplate.MetadataOptionsProperty(
                    http_endpoint="enabled",
                    http_tokens="required",
                    http_put_response_hop_limit=members.imds_hop_limit,
                ),
                tag_specifications=[
                    ec2.CfnLaunchTemplate.TagSpecificationProperty(resource_type="volume", tags=tags),
                    ec2.CfnLaunchTemplate.TagSpecificationProperty(
                        resource_type="instance", tags=[CfnTag(key=TAG, value=deployed_as(self._settings))]
                    ),
                ],
                block_device_mappings=self._volumes(),
                user_data=Fn.base64(
                    render_user_data(
                        self._settings,
                        architecture=self._processor,
                        unknown=Unknown(
                            region=Aws.REGION, url_suffix=Aws.URL_SUFFIX, agent_url=self._agent.s3_object_url
                        ),
                    )
                ),
            ),
        )

    def _newest_image(self) -> ec2.IMachineImage:
        if self._settings.members.operating_system == "ubuntu":
            return ec2.MachineImage.from_ssm_parameter(_UBUNTU.format(self._processor))
        return ec2.MachineImage.latest_amazon_linux2023(cpu_type=self._cpu_type)

    def _volumes(self) -> list[ec2.CfnLaunchTemplate.BlockDeviceMappingProperty]:
        """The root volume and, where there is one, that for etcd's data; which of them is kept is the operator's."""
        members, volumes = self._settings.members, self._settings.volumes
        keeps_data = volumes.data_volume_on_termination == "keep"
        found = [
            ec2.CfnLaunchTemplate.BlockDeviceMappingProperty(
                device_name=members.root_device,
                ebs=ec2.CfnLaunchTemplate.EbsProperty(
                    volume_type="gp3",
                    volume_size=members.volume_gib,
                    encrypted=True,
                    delete_on_termination=not (keeps_data and volumes.data_volume == "root"),
                ),
            )
        ]
        if volumes.data_volume == "ebs":
            found.append(
                ec2.CfnLaunchTemplate.BlockDeviceMappingProperty(
                    device_name=_DATA_DEVICE,
                    ebs=ec2.CfnLaunchTemplate.EbsProperty(
                        volume_type="gp3",
                        volume_size=volumes.data_volume_gib,
                        iops=volumes.data_volume_iops,
                        throughput=volumes.data_volume_mib_s,
                        encrypted=True,
                        delete_on_termination=not keeps_data,
                    ),
                )
            )
        return found


def _hook(
    name: str, transition: str, timeout_s: int
) -> autoscaling.CfnAutoScalingGroup.LifecycleHookSpecificationProperty:
    """A hook whose silence never counts as consent."""
    return autoscaling.CfnAutoScalingGroup.LifecycleHookSpecificationProperty(
        lifecycle_hook_name=name,
        lifecycle_transition=f"autoscaling:EC2_INSTANCE_{transition}",
        default_result="ABANDON",
        heartbeat_timeout=timeout_s,
    )
