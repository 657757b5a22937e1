"""Which role called which action on which resource, and what it was refused: what tests of the policies rest on."""

from __future__ import annotations

import threading
from typing import Any

_ROLE = ":assumed-role/"


class Recorder:
    """Each call of a role once, however often it was made. Calls of the account itself are nobody's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: set[tuple[str, str, str, bool]] = set()

    def note(self, principal_arn: str, action: str, resource_arn: str, *, allowed: bool) -> None:
        """Note a call.

        Args:
            principal_arn: such as ``arn:aws:sts::000000000000:assumed-role/<role>/<session>``.
            action: IAM's name of it, for example ``ssm:PutParameter``.
            resource_arn: what it was made on; ``*`` where the action has no resource.
            allowed: whether the policies let it pass.
        """
        _, found, rest = principal_arn.partition(_ROLE)
        if found:
            with self._lock:
                self._calls.add((rest.partition("/")[0], action, resource_arn, allowed))

    def calls(self) -> list[dict[str, Any]]:
        """All of them, as ``role``, ``action``, ``resource``, ``allowed``."""
        with self._lock:
            found = sorted(self._calls)
        return [dict(zip(("role", "action", "resource", "allowed"), each, strict=True)) for each in found]
