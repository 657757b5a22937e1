"""What attach mode puts beside a group that is there already: rules of its security group, and hooks."""

from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.names import LAUNCH_HOOK, TERMINATE_HOOK
from infra.settings import Settings

_HTTPS = ec2.Port.tcp(443)


class AttachedAccess(Construct):
    """The controller, and clients if asked for, reach the client port of the group's instances; no other change."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, vpc: ec2.IVpc) -> None:
        super().__init__(scope, construct_id)
        client_port = ec2.Port.tcp(settings.etcd.etcd_client_port)
        self.members = ec2.SecurityGroup.from_security_group_id(
            self, "Members", settings.attach.members_security_group_id
        )
        self.controller = ec2.SecurityGroup(
            self, "Controller", vpc=vpc, description="etcd controller", allow_all_outbound=False
        )
        self.controller.add_egress_rule(ec2.Peer.any_ipv4(), _HTTPS, "AWS APIs")
        self.members.connections.allow_from(self.controller, client_port, "etcd controller")
        self.clients: ec2.SecurityGroup | None = None
        if settings.attach.make_client_security_group:
            self.clients = ec2.SecurityGroup(
                self, "Clients", vpc=vpc, description="Attach to whatever shall use etcd", allow_all_outbound=False
            )
            self.members.connections.allow_from(self.clients, client_port, "etcd clients")


class AttachedHooks(Construct):
    """Lifecycle hooks of a group that is somebody else's.

    They are to be made last, when everything that answers them is at work, and so are deleted first: no instance waits
    for a controller that is not there yet, or is gone. The launch hook comes first and goes last, so that there is no
    moment in which a member is let go while its replacement comes in unseen.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        launch = self._hook("Launch", settings, LAUNCH_HOOK, "LAUNCHING", settings.timing.launch_hook_timeout_s)
        terminate = self._hook(
            "Terminate", settings, TERMINATE_HOOK, "TERMINATING", settings.timing.terminate_hook_timeout_s
        )
        terminate.add_resource_dependency(launch)

    def _hook(
        self, construct_id: str, settings: Settings, name: str, transition: str, timeout_s: int
    ) -> autoscaling.CfnLifecycleHook:
        """A hook whose silence never counts as consent."""
        return autoscaling.CfnLifecycleHook(
            self,
            construct_id,
            auto_scaling_group_name=settings.cluster_name,
            lifecycle_hook_name=name,
            lifecycle_transition=f"autoscaling:EC2_INSTANCE_{transition}",
            default_result="ABANDON",
            heartbeat_timeout=timeout_s,
        )
