"""Certificates of one's own PKI: from Secrets Manager or Parameter Store, and checked before etcd sees them."""

from __future__ import annotations

import json
from typing import Protocol

from etcd_aws_agent import backoff
from etcd_aws_agent.certificate import Material, check
from etcd_aws_agent.errors import MaterialError, ReadError
from etcd_aws_agent.identity import Identity
from etcd_aws_agent.pki import Look, fit_of
from etcd_aws_agent.pki_files import PkiFiles

PARAMETER = "ssm:"
_FIELDS = ("ca", "cert", "key")


class Store(Protocol):
    """Where the material is kept."""

    def get(self, name: str) -> str | None:
        """Return the text that is there, or None; raises ReadError."""


class OwnMaterial:
    """Takes what the source has, if it works.

    Args:
        name: the secret's ARN or the parameter's name, placeholders and all.
    """

    def __init__(self, *, name: str, store: Store, identity: Identity, files: PkiFiles) -> None:
        filled = name.replace("{instance_id}", identity.instance_id).replace("{private_ip}", identity.private_ip)
        self._name = filled
        self._store = store
        self._address = identity.private_ip
        self._files = files

    def look(self) -> Look:
        """Read the disk and AWS; changes nothing."""
        usable, _ = fit_of(self._files.material(), self._address)
        is_usable = usable is not None
        try:
            text = self._store.get(self._name)
        except ReadError as error:
            return Look(None, is_done=False, usable=is_usable, reason=str(error), is_unanswered=True)
        if text is None:
            return Look(None, is_done=False, usable=is_usable, reason=f"{self._name}: there is no such thing yet")
        try:
            material = parse(text)
            check(material, self._address)
        except MaterialError as error:
            return Look(None, is_done=False, usable=is_usable, reason=f"{self._name}: {error}", is_refused=True)
        return Look(material, is_done=True, usable=True, reason="the source's certificate is good")

    def ask(self, *, may_make_key: bool) -> str:
        """Nobody to ask."""
        del may_make_key
        return ""

    def delay_s(self, looks: int, waited_s: float, fraction: float) -> float:
        """Return how long to wait before the next look; all hosts may have begun at once."""
        del waited_s
        return backoff.between_looks_of_proxy(looks, fraction)


def parse(text: str) -> Material:
    """Return the material in a JSON object of ca, cert and key.

    Raises:
        MaterialError: names what is missing; never shows what is there.
    """
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise MaterialError("expected a JSON object of ca, cert and key (PEM)")
    wrong = [field for field in _FIELDS if not isinstance(document.get(field), str) or not document[field].strip()]
    if wrong:
        raise MaterialError(f"no {' and no '.join(wrong)} in it; expected a JSON object of ca, cert and key (PEM)")
    ca, certificate, key = (document[field].strip() + "\n" for field in _FIELDS)
    return Material(ca, certificate, key)
