"""The generations of the cluster's CA: made once, kept in a vault, remembered."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

from ..core.certificates import CaVault
from ..core.errors import ClusterError
from .certificates import Authority, key_pem, load_authority, new_authority
from .errors import PkiError

NOT_AGAIN_FOR = timedelta(seconds=5)
"""What could not be had is not asked for again before that."""


class Authorities:
    """The generations that are trusted; the first of them signs.

    A generation that the vault does not have is made. Who comes second in that takes what the first one made: what is
    used is always what the vault gives back, never what was sent there. Safe for threads. What failed is not tried
    again for a moment: many ask at once, and each call may take as long as AWS takes to fail.

    Args:
        vault: Where they are.
        cluster: Goes into their names.
        generations: The signing one first.
        now: Epoch seconds.
    """

    def __init__(self, *, vault: CaVault, cluster: str, generations: Sequence[int], now: Callable[[], float]) -> None:
        self._vault = vault
        self._cluster = cluster
        self._generations = tuple(generations)
        self._now = now
        self._known: dict[int, Authority] = {}
        self._lock = threading.Lock()
        self._problem: ClusterError | None = None
        self._next_try = float("-inf")

    def signing(self) -> Authority:
        """Return the generation that signs.

        Raises:
            AwsError: The vault did not answer, now or a moment ago.
            PkiError: What it has cannot be used, or it does not show what has just been created.
        """
        return self._get(self._generations[0])

    def bundle(self) -> str:
        """Return the certificates of all (PEM), the signing one first.

        Raises:
            AwsError: As ``signing``.
            PkiError: As ``signing``.
        """
        return "".join(self._get(g).certificate_pem for g in self._generations)

    def present_bundle(self) -> str:
        """Return the certificates of the signing one, and of those others that have been made; makes no other.

        Who only asks members needs no more: nobody has a certificate of a generation that is not made yet. The guard of
        deployments may not make one either.

        Raises:
            AwsError: As ``signing``.
            PkiError: As ``signing``.
        """
        first, *others = self._generations
        made = [g for g in others if g in self._known or self._vault.read(g) is not None]
        return "".join(self._get(g).certificate_pem for g in (first, *made))

    def _get(self, generation: int) -> Authority:
        with self._lock:
            if generation not in self._known:
                if self._problem and self._now() < self._next_try:
                    raise self._problem
                try:
                    self._known[generation] = self._load_or_make(generation)
                except ClusterError as error:
                    self._problem, self._next_try = error, self._now() + NOT_AGAIN_FOR.total_seconds()
                    raise
            return self._known[generation]

    def _load_or_make(self, generation: int) -> Authority:
        text = self._vault.read(generation)
        if text is None:
            made = new_authority(self._cluster, generation, now=self._now())
            self._vault.create(generation, json.dumps({"cert": made.certificate_pem, "key": key_pem(made.key)}))
            text = self._vault.read(generation)
        if text is None:
            raise PkiError(f"generation {generation} of the CA was created and is not to be seen yet")
        return _parse(generation, text)


def _parse(generation: int, text: str) -> Authority:
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None  # its message would hold a part of the text
    values = [fields.get(name) if isinstance(fields, dict) else None for name in ("cert", "key")]
    certificate, key = (value if isinstance(value, str) else "" for value in values)
    if not certificate or not key:
        raise PkiError(f"generation {generation} of the CA is not a JSON object of cert and key")
    return load_authority(generation, certificate, key)
