"""Certificates: the CA's key, who may read and write what, and whoever asks for a certificate being heard."""

from collections.abc import Iterable, Sequence

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.controller import Controller
from infra.deployment import Deployment
from infra.nag import acknowledge, acknowledge_wildcard
from infra.names import (
    ca_bundle_parameter,
    certificate_requests,
    certificates,
    client_certificate_requests,
    client_certificates,
)
from infra.settings import Settings

_SSM = "ssm:"
# All that an administrator does with a key but use it, or let others.
_ADMINISTRATION = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:Describe*",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:Get*",
    "kms:List*",
    "kms:PutKeyPolicy",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)


class Pki(Construct):
    """Empty where members have no certificates."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        controller: Controller,
        deployment: Deployment,
        hosts: iam.Role,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._controller = controller
        self._deployment = deployment
        self._hosts = hosts
        tls = settings.tls
        if settings.pki == "automatic":
            self._automatic()
        elif settings.pki == "own":
            self._may_read(controller.role, tls.controller_tls_source)
            self._may_read(deployment.role, tls.controller_tls_source)
            self._may_read(hosts, tls.host_tls_source)
        self._may_read(controller.role, tls.etcd_user_secret_arn)
        self._may_read(deployment.role, tls.etcd_user_secret_arn)

    def _automatic(self) -> None:
        secret = self._ca_secret()
        role = self._controller.role
        for function in (self._controller.function, self._deployment.function):
            function.add_environment("CA_SECRET_ARN", secret.ref)
            function.add_environment("HOST_ROLE_NAME", self._hosts.role_name)
        name = self._settings.cluster_name
        paths = (certificate_requests(name), client_certificate_requests(name), certificates(name))
        below = [f"{path}/*" for path in paths]
        bundle = ca_bundle_parameter(name)
        _allow(role, ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"], [secret.ref])
        # It makes itself a client's certificate, as the controller does, but no CA.
        _allow(self._deployment.role, ["secretsmanager:GetSecretValue"], [secret.ref])
        self._allow_parameters(role, ["ssm:GetParametersByPath"], [*paths, *below])
        self._allow_parameters(role, ["ssm:DeleteParameter"], below)
        self._allow_parameters(role, ["ssm:GetParameterHistory"], below[:1])
        self._allow_parameters(role, ["ssm:GetParameter"], [*below, f"{client_certificates(name)}/*", bundle])
        self._allow_parameters(self._hosts, ["ssm:PutParameter"], below[:1])
        self._allow_parameters(self._hosts, ["ssm:GetParameter"], [f"{certificates(name)}/*", bundle])
        self._controller.look_at(
            "CertificateRequestRule",
            f"Requests for certificates of {name}",
            events.EventPattern(
                source=["aws.ssm"],
                detail_type=["Parameter Store Change"],
                detail={
                    "operation": ["Create", "Update"],
                    "name": [{"prefix": f"{path}/"} for path in paths[:2]],
                },
            ),
        )

    def _ca_secret(self) -> secretsmanager.CfnSecret:
        """Make the secret, without a value: the function makes the first one, and nobody else may read it.

        Both go with the stack, but AWS keeps them for 30 days.
        """
        name = self._settings.cluster_name
        key = kms.Key(
            self,
            "Key",
            description=f"Encrypts the CA of etcd cluster {name}",
            enable_key_rotation=True,
            pending_window=Duration.days(30),
            removal_policy=RemovalPolicy.DESTROY,
            policy=iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(
                        sid="Administration",
                        principals=[iam.AccountRootPrincipal()],
                        actions=list(_ADMINISTRATION),
                        resources=["*"],
                    ),
                    iam.PolicyStatement(
                        sid="UseThroughSecretsManager",
                        principals=[self._controller.role, self._deployment.role],
                        actions=["kms:Decrypt", "kms:GenerateDataKey"],
                        resources=["*"],
                        conditions={
                            "StringEquals": {
                                "kms:ViaService": f"secretsmanager.{Stack.of(self).region}.amazonaws.com",
                                "kms:CallerAccount": Stack.of(self).account,
                            }
                        },
                    ),
                ]
            ),
        )
        secret = secretsmanager.CfnSecret(
            self, "Ca", description=f"Certificate authority of etcd cluster {name}", kms_key_id=key.key_arn
        )
        secret.apply_removal_policy(RemovalPolicy.DESTROY)
        acknowledge(
            secret, "SMG4", "A CA is rotated in steps that hosts follow (etcd:ca_signing, ca_trusted), by no schedule."
        )
        return secret

    def _may_read(self, role: iam.Role, source: str) -> None:
        """Let a role read what an operator keeps somewhere; placeholders stand for any host."""
        source = source.replace("{instance_id}", "*").replace("{private_ip}", "*")
        if source.startswith(_SSM):
            self._allow_parameters(role, ["ssm:GetParameter"], [source.removeprefix(_SSM)])
        elif source:
            # As it is, or without the six characters that Secrets Manager adds to a name.
            _allow(role, ["secretsmanager:GetSecretValue"], [source, f"{source}-??????"])

    def _allow_parameters(self, role: iam.Role, actions: Sequence[str], names: Iterable[str]) -> None:
        stack = Stack.of(self)
        resources = [stack.format_arn(service="ssm", resource="parameter", resource_name=name[1:]) for name in names]
        _allow(role, actions, resources)


def _allow(role: iam.Role, actions: Sequence[str], resources: Sequence[str]) -> None:
    role.add_to_policy(iam.PolicyStatement(actions=list(actions), resources=list(resources)))
    for resource in resources:
        if "*" in resource or "?" in resource:
            acknowledge_wildcard(role, resource, "One parameter or secret a host, by an id that is not known before.")
