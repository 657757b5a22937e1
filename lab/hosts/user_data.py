"""What an instance's first boot would do, as far as the lab does it."""

from __future__ import annotations

import base64
import re
from typing import Final

AGENT_ENV: Final = "/etc/etcd-aws-cluster/agent.env"
OLD_UNIT_ENV: Final = "/etc/sysconfig/etcd"
OLD_CONTAINER: Final = "monsantoco/etcd-aws-cluster"
_HEREDOC: Final = re.compile(rf"^cat > {re.escape(AGENT_ENV)} <<'EOF'\n(.*?)^EOF$", re.MULTILINE | re.DOTALL)
_OLD_HEREDOC: Final = re.compile(rf"^cat > {re.escape(OLD_UNIT_ENV)} <<EOF\n(.*?)^EOF$", re.MULTILINE | re.DOTALL)


def agent_environment(user_data: str) -> dict[str, str]:
    """The variables of the agent's environment file, which user data writes with a quoted heredoc.

    Args:
        user_data: as EC2 keeps it, in base64.

    Raises:
        ValueError: there is no such heredoc in it.
    """
    script = base64.b64decode(user_data).decode()
    found = _HEREDOC.search(script)
    if not found:
        raise ValueError(f"user data does not write {AGENT_ENV} with <<'EOF'; it begins: {script[:80]!r}")
    return environment_file(found[1])


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
