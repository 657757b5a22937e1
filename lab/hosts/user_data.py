"""What an instance's first boot would do, as far as the lab does it."""

from __future__ import annotations

import base64
import re
from typing import Any, Final

import yaml

AGENT_ENV: Final = "/etc/etcd-aws-cluster/agent.env"
OLD_UNIT_ENV: Final = "/etc/sysconfig/etcd"
OLD_CONTAINER: Final = "monsantoco/etcd-aws-cluster"
_OLD_HEREDOC: Final = re.compile(rf"^cat > {re.escape(OLD_UNIT_ENV)} <<EOF\n(.*?)^EOF$", re.MULTILINE | re.DOTALL)
_HEREDOC: Final = re.compile(r"^cat > (\S+) <<'EOF'\n(.*?)^EOF$", re.MULTILINE | re.DOTALL)
_FIRST_LINE: Final = "#cloud-config\n"


def agent_environment(user_data: str) -> dict[str, str]:
    """The variables of the agent's environment file, which user data writes.

    Args:
        user_data: as EC2 keeps it, in base64.

    Raises:
        ValueError: there is no such file in it.
    """
    text = base64.b64decode(user_data).decode()
    files = written_files(text)
    if AGENT_ENV not in files:
        raise ValueError(f"user data does not write {AGENT_ENV}; it begins: {text[:80]!r}")
    return environment_file(files[AGENT_ENV])


def written_files(text: str) -> dict[str, str]:
    """What a cloud-config writes, or a script by quoted heredocs, by path; nothing for anything else."""
    if not text.startswith(_FIRST_LINE):
        return dict(_HEREDOC.findall(text))
    config: dict[str, Any] = yaml.safe_load(text) or {}
    return {str(file["path"]): str(file["content"]) for file in config.get("write_files", [])}


def old_unit_environment(user_data: str, *, private_ipv4: str) -> dict[str, str] | None:
    """The environment file of etcd's unit on a host that runs the old container; None for any other host.

    Args:
        user_data: as EC2 keeps it, in base64.
        private_ipv4: stands for ``$private_ipv4``, which the script asks the metadata service for.
    """
    script = base64.b64decode(user_data).decode()
    found = _OLD_HEREDOC.search(script)
    if OLD_CONTAINER not in script or not found:
        return None
    return environment_file(found[1].replace("$private_ipv4", private_ipv4))


def environment_file(text: str) -> dict[str, str]:
    """The variables of a systemd EnvironmentFile; a value may stand in double quotes."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().removeprefix('"').removesuffix('"') for name, value in pairs}
