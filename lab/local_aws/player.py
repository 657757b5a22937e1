"""Runs the played Auto Scaling: one lock, one thread that lets time pass and sends what is to be sent."""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from .autoscaling.machine import AutoScaling
from .autoscaling.operations import OPERATIONS
from .autoscaling.ports import ApiError, Pace

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from .autoscaling.ports import Fleet
    from .journal import Journal

_LOGGER: Final = logging.getLogger("lab.player")
_BUSY_S: Final = 0.02
_IDLE_S: Final = 0.2


class Post:
    """Collects what goes out, and sends it from the player's thread.

    Args:
        put_event: puts an event on the default bus.
        send: sends a message to a notification target.
        journal: takes the transitions.
    """

    def __init__(
        self,
        *,
        put_event: Callable[[dict[str, Any]], None],
        send: Callable[[str, str], None],
        journal: Journal,
    ) -> None:
        self._put_event = put_event
        self._send = send
        self._journal = journal
        self._events: deque[dict[str, Any]] = deque()
        self._messages: deque[tuple[str, str]] = deque()
        self.drop = 0
        self.duplicate = 0

    def event(self, event: dict[str, Any]) -> None:
        """Put an event on the default bus; lost or doubled if the lab was told so."""
        if self.drop > 0:
            self.drop -= 1
            return
        self._events.append(event)
        if self.duplicate > 0:
            self.duplicate -= 1
            self._events.append(event)

    def notify(self, target_arn: str, message: dict[str, Any]) -> None:
        """Send a message to a hook's notification target."""
        self._messages.append((target_arn, json.dumps(message)))

    def transition(self, record: dict[str, Any]) -> None:
        """Note a change of lifecycle state."""
        self._journal.add(record)

    def flush(self) -> None:
        """Send what was collected."""
        while self._events:
            self._put_event(self._events.popleft())
        while self._messages:
            self._send(*self._messages.popleft())


class Player:
    """The played Auto Scaling of one account and region.

    Args:
        fleet: EC2.
        post: takes events and transitions.
        arn_prefix: ``arn:aws:autoscaling:<region>:<account>``.
        scope: pins MiniStack's account and region around whatever happens outside of a request.
    """

    def __init__(
        self, *, fleet: Fleet, post: Post, arn_prefix: str, scope: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self.pace = Pace()
        self.post = post
        self.lock = threading.RLock()
        self.scaling = AutoScaling(
            fleet=fleet,
            outbox=post,
            pace=self.pace,
            clock=time.time,
            new_id=lambda: str(uuid.uuid4()),
            arn_prefix=arn_prefix,
        )
        self._scope = scope
        self._wake = threading.Event()

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Do an operation of the API.

        Raises:
            ApiError: what AWS would answer.
        """
        with self.lock:
            response = OPERATIONS[operation](self.scaling, request)
        self.wake()
        return response

    def wait_until_empty(self, name: str, timeout_s: float) -> None:
        """Wait until the group has no instance left.

        Raises:
            ApiError: it still has some at the end; the message names them with their states.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with self.lock:
                left = [f"{i.instance_id} {i.state}" for i in self.scaling.group(name).instances]
            if not left:
                return
            if all(each.endswith("Retained") for each in left):
                break
            time.sleep(_BUSY_S)
        raise ApiError("ValidationError", f"Group did not stabilize: {name} still has {', '.join(left)}")

    def wake(self) -> None:
        """Look at the groups now."""
        self._wake.set()

    def start(self) -> None:
        """Let time pass, in a thread of its own."""
        threading.Thread(target=self._run, daemon=True, name="auto-scaling").start()

    def _run(self) -> None:
        busy = False
        while True:
            self._wake.wait(_BUSY_S if busy else _IDLE_S)
            self._wake.clear()
            try:
                with self._scope():
                    with self.lock:
                        busy = self.scaling.tick()
                    self.post.flush()
            except Exception:
                _LOGGER.exception("auto scaling: a step failed")
