"""Acknowledgements of cdk-nag findings, each at the smallest construct that has the finding."""

import aws_cdk as cdk
from constructs import IConstruct

_WILDCARD = "IAM5"


def acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    """Accept one finding of ``construct``, such as ``AS3``, for ``reason``; any other still fails the synth.

    It is put on the one resource that the finding is of: the construct's own, or for a wildcard its policy.
    """
    policy = construct.node.try_find_child("DefaultPolicy") if rule.startswith(_WILDCARD) else None
    owner = policy or construct
    cdk.Validations.of(owner.node.default_child or owner).acknowledge(
        cdk.Acknowledgment(id=f"AwsSolutions::AwsSolutions-{rule}", reason=reason),
    )


def acknowledge_wildcard(construct: IConstruct, resource: str, reason: str) -> None:
    """Accept one resource with a star in a policy of ``construct``; it may hold values known only at deploy."""
    resolved = cdk.Stack.of(construct).resolve(resource)
    parts = [resolved] if isinstance(resolved, str) else resolved["Fn::Join"][1]
    # cdk-nag's spelling of a value that is not known yet.
    text = "".join(part if isinstance(part, str) else f"<{part['Ref']}>" for part in parts)
    acknowledge(construct, f"{_WILDCARD}[Resource::{text}]", reason)
