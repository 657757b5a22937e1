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
    """Empty where members have no certificates.

    Args:
        deployment: The other function that asks members; None in attach mode.
        hosts: The members' role; None in attach mode, where there is no automatic CA.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        controller: Controller,
        deployment: Deployment | None = None,
        hosts: iam.Role | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._controller = controller
        tls = settings.tls
        if settings.pki == "automatic" and deployment and hosts:
            self._automatic(deployment, hosts)
        for role in (controller.role, *([deployment.role] if deployment else [])):
            if settings.pki == "own":
                self._may_read(role, tls.controller_tls_source)
            self._may_read(role, tls.etcd_user_secret_arn)
        if settings.pki == "own" and hosts:
            self._may_read(hosts, tls.host_tls_source)

    def _automatic(self, deployment: Deployment, hosts: iam.Role) -> None:
        role = self._controller.role
        secret = self._ca_secret(maker=role, readers=[role, deployment.role])
        for function in (self._controller.function, deployment.function):
            function.add_environment("CA_SECRET_ARN", secret.ref)
            function.add_environment("HOST_ROLE_NAME", hosts.role_name)
        name = self._settings.cluster_name
        paths = (
            certificate_requests(name),
            client_certificate_requests(name),
            certificates(name),
            client_certificates(name),
        )
        below = [f"{path}/*" for path in paths]
        bundle = ca_bundle_parameter(name)
        _allow(role, ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"], [secret.ref])
        # It makes itself a client's certificate, as the controller does, but no CA.
        _allow(deployment.role, ["secretsmanager:GetSecretValue"], [secret.ref])
        self._allow_parameters(role, ["ssm:GetParametersByPath"], [*paths, *below])
        self._allow_parameters(role, ["ssm:DeleteParameter"], below)
        self._allow_parameters(role, ["ssm:GetParameterHistory"], below[:1])
        self._allow_parameters(role, ["ssm:GetParameter"], [*below, bundle])
        for path, what in zip(
            below,
            ("Requests of hosts", "Requests of clients", "Certificates of hosts", "Certificates of clients"),
            strict=True,
        ):
            self._acknowledge_below(role, path, f"{what} of this one cluster, each by a name that is not known before.")
        self._allow_parameters(hosts, ["ssm:PutParameter"], below[:1])
        self._allow_parameters(hosts, ["ssm:GetParameter"], [f"{certificates(name)}/*", bundle])
        self._acknowledge_below(hosts, below[0], "A host asks by its own instance id, which its launch makes up.")
        self._acknowledge_below(hosts, below[2], "A host reads what the controller answered to its instance id.")
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

    def _ca_secret(self, *, maker: iam.IPrincipal, readers: Sequence[iam.IPrincipal]) -> secretsmanager.CfnSecret:
        """Make the secret, without a value: the function makes the first one, and nobody else may read it.

        Both go with the stack, but AWS keeps them for 30 days.
        """
        name = self._settings.cluster_name
        through_secrets_manager = {
            "StringEquals": {
                "kms:ViaService": f"secretsmanager.{Stack.of(self).region}.{Stack.of(self).url_suffix}",
                "kms:CallerAccount": Stack.of(self).account,
            }
        }
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
                        sid="ReadThroughSecretsManager",
                        principals=list(readers),
                        actions=["kms:Decrypt"],
                        resources=["*"],
                        conditions=through_secrets_manager,
                    ),
                    iam.PolicyStatement(
                        sid="WriteThroughSecretsManager",
                        principals=[maker],
                        actions=["kms:GenerateDataKey"],
                        resources=["*"],
                        conditions=through_secrets_manager,
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
            path = source.removeprefix(_SSM)
            self._allow_parameters(role, ["ssm:GetParameter"], [path])
            if "*" in path:
                self._acknowledge_below(role, path, "One parameter a host, by what is not known before its launch.")
        elif source:
            # As it is, or without the six characters that Secrets Manager adds to a name.
            _allow(role, ["secretsmanager:GetSecretValue"], [source, f"{source}-??????"])
            if "*" in source:
                acknowledge_wildcard(role, source, "One secret a host, by what is not known before its launch.")
                acknowledge_wildcard(
                    role, f"{source}-??????", "The same secrets, where the ARN is given without what AWS adds to it."
                )

    def _allow_parameters(self, role: iam.Role, actions: Sequence[str], names: Iterable[str]) -> None:
        _allow(role, actions, [self._parameter_arn(name) for name in names])

    def _acknowledge_below(self, role: iam.Role, path: str, reason: str) -> None:
        acknowledge_wildcard(role, self._parameter_arn(path), reason)

    def _parameter_arn(self, name: str) -> str:
        return Stack.of(self).format_arn(service="ssm", resource="parameter", resource_name=name[1:])


def _allow(role: iam.Role, actions: Sequence[str], resources: Sequence[str]) -> None:
    role.add_to_policy(iam.PolicyStatement(actions=list(actions), resources=list(resources)))
