"""MiniStack's private names that the lab touches, checked at start: another version says so, it does not misbehave."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Final

VERSION: Final = "1.5.33"

_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "ministack.app": ("main", "pin_request_origin", "AUTH", "SERVICE_HANDLERS"),
    "ministack.core.iam_actions": (
        "access_denied_response",
        "extract_iam_action",
        "extract_resource_arn",
        "request_tag_context",
    ),
    "ministack.core.iam_evaluator": (
        "AuthError",
        "enforce",
        "pin_request_origin",
        "request_caller_arn",
        "resolve_principal",
    ),
    "ministack.core.lambda_runtime": ("_lock", "_workers", "execution_credentials"),
    "ministack.core.responses": (
        "error_response_json",
        "get_account_id",
        "get_region",
        "json_response",
        "request_scope",
    ),
    "ministack.core.router": ("extract_access_key_id",),
    "ministack.services.autoscaling": ("_ACTION_MAP",),
    "ministack.services.ec2": (
        "_ACTION_MAP",
        "_ensure_defaults_initialized",
        "_instance_xml",
        "_instances",
        "_launch_instances_internal",
        "_launch_templates",
        "_matches_filters",
        "_resolve_iam_instance_profile",
        "_security_groups",
        "_subnets",
        "_tags",
        "_vpcs",
    ),
    "ministack.services.eventbridge": ("_put_events",),
    "ministack.services.iam": ("_instance_profiles",),
    "ministack.services.kms": ("_resolve_key",),
    "ministack.services.route53": ("_records", "_zones"),
    "ministack.services.secretsmanager": ("_create_secret", "_put_secret_value", "_resolve", "_secrets"),
    "ministack.services.ssm": ("_parameter_history", "_parameters", "_put_parameter", "_reserved_name_error"),
    "ministack.services.sts": ("register_session",),
    "ministack.services.cloudformation.provisioners": ("_RESOURCE_HANDLERS", "_ec2_sg_permissions"),
    "ministack.services.cloudformation.stacks": ("_runs_on_worker_thread",),
}


def check() -> None:
    """Make sure that this is the MiniStack that the lab was written for.

    Raises:
        SystemExit: it is not; the message names the version and what is missing.
    """
    missing = [
        f"{module}.{name}"
        for module, names in _NAMES.items()
        for name in names
        if not hasattr(importlib.import_module(module), name)
    ]
    if missing:
        found = importlib.metadata.version("ministack")
        raise SystemExit(
            f"lab: MiniStack {found} lacks {', '.join(missing)}; the lab needs ministack=={VERSION} "
            "(delete .cache/ministack and start the lab again to install it)"
        )
