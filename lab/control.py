"""The lab's own door into the local AWS: what happened, who is there, and mischief on demand."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from typing import Any

_ANSWER_S = 60.0


class ControlError(Exception):
    """The local AWS does not answer, or refuses what it is told."""


class Control:
    """Client of ``lab/local_aws/control.py``.

    Args:
        url: for example ``http://127.0.0.1:4567``.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        # Never through a proxy of the environment: it is this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def transitions(self, *, after: int = 0, wait_s: float = 0.0) -> list[dict[str, Any]]:
        """What happened after that ``seq``; waits for the first of it, ``wait_s`` at most."""
        found: list[dict[str, Any]] = self._call(f"/transitions?after={after}&wait_s={wait_s}", None, wait_s)
        return found

    def instances(self, *, after: int = 0, wait_s: float = 0.0) -> dict[str, Any]:
        """All instances with their version, once it is above ``after``."""
        found: dict[str, Any] = self._call(f"/instances?after={after}&wait_s={wait_s}", None, wait_s)
        return found

    def orders(self, *, after: int, wait_s: float) -> list[dict[str, Any]]:
        """What the hosts' process is told to do after that ``seq``; waits for the first of it, ``wait_s`` at most."""
        found: list[dict[str, Any]] = self._call(f"/orders?after={after}&wait_s={wait_s}", None, wait_s)
        return found

    def calls(self) -> dict[str, int]:
        """How often each action of AWS was called, by IAM's name of it."""
        found: dict[str, int] = self._call("/calls", None)
        return found

    def permissions(self) -> list[dict[str, Any]]:
        """Each ``role``, ``action`` and ``resource`` of a call that was checked, and whether it was ``allowed``."""
        found: list[dict[str, Any]] = self._call("/permissions", None)
        return found

    def tell(self, path: str, **told: object) -> dict[str, Any]:
        """Tell it something, for example ``tell("/pace", launch_s=1.0)``, and return what it says to that.

        Raises:
            ControlError: it refuses; the message says why.
        """
        answer: dict[str, Any] = self._call(path, told)
        return answer

    def note(self, record: dict[str, Any]) -> None:
        """Add to the journal; when nobody is there to listen, never mind."""
        with contextlib.suppress(ControlError):
            self._call("/transitions", record)

    def _call(self, path: str, told: dict[str, Any] | None, wait_s: float = 0.0) -> Any:  # noqa: ANN401  # JSON
        body = None if told is None else json.dumps(told).encode()
        request = urllib.request.Request(self._url + path, body)  # noqa: S310  # an http URL of the lab's own
        try:
            with self._opener.open(request, timeout=wait_s + _ANSWER_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ControlError(f"{path}: {error.read().decode(errors='replace')}") from error
        except OSError as error:
            raise ControlError(f"the local AWS at {self._url} does not answer: {error}") from error
