"""What an instance's first boot would do, as far as the lab does it."""

from __future__ import annotations

import base64
import re
from typing import Final

AGENT_ENV: Final = "/etc/etcd-aws-cluster/agent.env"
_HEREDOC: Final = re.compile(rf"^cat > {re.escape(AGENT_ENV)} <<'EOF'\n(.*?)^EOF$", re.MULTILINE | re.DOTALL)


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


def environment_file(text: str) -> dict[str, str]:
    """The variables of a systemd EnvironmentFile; a value may stand in double quotes."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().removeprefix('"').removesuffix('"') for name, value in pairs}
