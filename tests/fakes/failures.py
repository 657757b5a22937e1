"""Failures on order, for all fakes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from etcd_aws_cluster.core.errors import AwsError


@dataclass
class Failures:
    """Fails calls by name, once for each order, before or after they took effect.

    Attributes:
        calls: How often each call was made.
    """

    calls: Counter[str] = field(default_factory=Counter)
    _ordered: dict[str, list[bool]] = field(default_factory=dict)

    def fail_next(self, call: str, *, after_applying: bool = False) -> None:
        """Order a failure. With ``after_applying`` the call does its work, and only the answer is lost."""
        self._ordered.setdefault(call, []).append(after_applying)

    @contextmanager
    def during(self, call: str) -> Iterator[None]:
        """Count a call, and fail it if that was ordered."""
        self.calls[call] += 1
        ordered = self._ordered.get(call)
        after_applying = ordered.pop(0) if ordered else None
        if after_applying is False:
            raise AwsError(f"{call} failed on order, without effect")
        yield
        if after_applying is True:
            raise AwsError(f"{call} failed on order, its answer lost")
