"""What an instance's first boot would do, as far as the lab does it."""

from __future__ import annotations

import base64
from typing import Any, Final

import yaml

AGENT_ENV: Final = "/etc/etcd-aws-cluster/agent.env"
_FIRST_LINE: Final = "#cloud-config\n"


def agent_environment(user_data: str) -> dict[str, str]:
    """The variables of the agent's environment file, which user data, a cloud-config, writes.

    Args:
        user_data: as EC2 keeps it, in base64.

    Raises:
        ValueError: there is no such file in it.
    """
    text = base64.b64decode(user_data).decode()
    files = written_files(text)
    if AGENT_ENV not in files:
        raise ValueError(f"user data does not write {AGENT_ENV} as a cloud-config; it begins: {text[:80]!r}")
    return environment_file(files[AGENT_ENV])


def written_files(text: str) -> dict[str, str]:
    """What a cloud-config writes, by path; nothing for anything else."""
    if not text.startswith(_FIRST_LINE):
        return {}
    config: dict[str, Any] = yaml.safe_load(text) or {}
    return {str(file["path"]): str(file["content"]) for file in config.get("write_files", [])}


def environment_file(text: str) -> dict[str, str]:
    """The variables of a systemd EnvironmentFile; a value may stand in double quotes."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().removeprefix('"').removesuffix('"') for name, value in pairs}
