"""The processes of the Lambda functions, and how to kill them: now, or at a certain call to AWS."""

# ruff: noqa: SLF001  # MiniStack has no other door; names.py checks these names at start

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ministack.core import lambda_runtime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .faults import Handler, Response
    from .journal import Journal

_GONE: Response = (503, {"Content-Type": "text/plain"}, b"The lab killed the caller.")


class Function:
    """The processes that MiniStack keeps for its functions. Of this stack's two one only runs while it is deployed.

    Args:
        journal: is told of each kill.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._calls_left = 0
        self._after_effect = False

    def kill(self) -> bool:
        """SIGKILL the processes; an aim that was taken is dropped.

        Returns:
            Whether one of them was in an invocation.
        """
        self.aim(0, after_effect=False)
        busy = False
        for worker in _workers():
            process = worker._proc
            if process is not None and process.poll() is None:
                busy = busy or worker.in_use
                process.kill()
        self._journal.add({"kind": "function", "instance": "", "group": "", "to": "killed", "busy": busy})
        return busy

    def aim(self, after_calls: int, *, after_effect: bool) -> None:
        """Kill at the function's n-th call to AWS from now, before or after that call takes effect; 0: never."""
        with self._lock:
            self._calls_left, self._after_effect = after_calls, after_effect

    def wrap(self, handler: Handler) -> Handler:
        """A handler of MiniStack's that counts the function's calls and kills at the one aimed at."""

        async def wrapped(
            method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, Any]
        ) -> Response:
            if not self._strikes(headers):
                return await handler(method, path, headers, body, query)
            if self._after_effect:
                response = await handler(method, path, headers, body, query)
                self.kill()
                return response
            self.kill()
            return _GONE

        return wrapped

    def _strikes(self, headers: Mapping[str, str]) -> bool:
        if not self._calls_left or not _is_from_function(headers.get("authorization", "")):
            return False
        with self._lock:
            self._calls_left -= 1
            return self._calls_left == 0


def _workers() -> list[Any]:
    with lambda_runtime._lock:
        return [worker for pool in lambda_runtime._workers.values() for worker in pool]


def _is_from_function(authorization: str) -> bool:
    """Whether a request is signed with the credentials of a function's role session."""
    keys = {lambda_runtime.execution_credentials(worker.config)["AWS_ACCESS_KEY_ID"] for worker in _workers()}
    return any(f"Credential={key}/" in authorization for key in keys)
