"""What the hosts of the instances need to know, and the metadata service of each."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from .imds import MetadataService, answers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LOGGER: Final = logging.getLogger("lab.computers")
_ON: Final = frozenset({"pending", "running"})
_CREDENTIALS_LIFE_S: Final = 6 * 3600


class Computers:
    """The computers of the played instances.

    Args:
        describe: the facts of an instance now (see :func:`.imds.answers`; besides ``state``, ``group``, ``user_data``).
        register: makes a session of a role known: access key id, secret, session token, role name, instance id.
        metadata_port: port of the metadata service on every instance's address.
    """

    def __init__(
        self,
        *,
        describe: Callable[[str], dict[str, Any]],
        register: Callable[[str, str, str, str, str], None],
        metadata_port: int,
    ) -> None:
        self._describe = describe
        self._register = register
        self._metadata_port = metadata_port
        self._services: dict[str, MetadataService] = {}
        self._closing: dict[str, threading.Thread] = {}
        self._powered_off: set[str] = set()
        self._boot_delays: dict[str, float] = {}
        self.boot_delay_s = 0.0
        self.next_boot_delays_s: list[float] = []
        self._version = 0
        self._known: dict[str, None] = {}
        self._changed = threading.Condition()

    def changed(self, instance_id: str) -> None:
        """Take note that an instance's EC2 state changed: its metadata service comes and goes with its power."""
        facts = self._describe(instance_id)
        on = facts["state"] in _ON and instance_id not in self._powered_off
        service = self._services.get(instance_id)
        if on and service is None:
            self._open(instance_id, facts["address"])
        elif service is not None and not on:
            del self._services[instance_id]
            closing = self._closing[facts["address"]] = threading.Thread(target=service.close, daemon=True)
            closing.start()
        with self._changed:
            if instance_id not in self._known:
                delays = self.next_boot_delays_s
                self._boot_delays[instance_id] = delays.pop(0) if delays else self.boot_delay_s
            self._known[instance_id] = None
            self._version += 1
            self._changed.notify_all()

    def power_off(self, instance_id: str) -> None:
        """Cut the power: nothing of the host runs any more, whatever EC2 says."""
        self._powered_off.add(instance_id)
        self.changed(instance_id)

    def listing(self, after: int, wait_s: float) -> dict[str, Any]:
        """All instances, once something changed after that version; waits for it, ``wait_s`` at most."""
        with self._changed:
            self._changed.wait_for(lambda: self._version > after, wait_s)
            version, known = self._version, list(self._known)
        found = [self._describe(each) for each in known]
        for facts in found:
            facts["cut"] = facts["instance_id"] in self._powered_off
            facts["powered"] = facts["state"] in _ON and not facts["cut"]
            facts["boot_delay_s"] = self._boot_delays[facts["instance_id"]]
        return {"version": version, "instances": found}

    def _open(self, instance_id: str, address: str) -> None:
        if closing := self._closing.pop(address, None):  # that of the last instance with this address
            closing.join()
        lookup = answers(lambda: self._describe(instance_id), lambda: self._credentials(instance_id))
        try:
            self._services[instance_id] = MetadataService(address, self._metadata_port, lookup)
        except OSError:
            _LOGGER.exception("instance %s: cannot listen on %s:%d", instance_id, address, self._metadata_port)

    def _credentials(self, instance_id: str) -> Mapping[str, str]:
        role = self._describe(instance_id)["role"]
        digest = hashlib.sha256(f"{instance_id}:{role}".encode()).hexdigest()
        key, secret, session = f"ASIA{digest[:16].upper()}", digest[16:56], digest[24:]
        self._register(key, secret, session, role, instance_id)
        now = time.time()
        return {
            "Code": "Success",
            "LastUpdated": _stamp(now),
            "Type": "AWS-HMAC",
            "AccessKeyId": key,
            "SecretAccessKey": secret,
            "Token": session,
            "Expiration": _stamp(now + _CREDENTIALS_LIFE_S),
        }


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
