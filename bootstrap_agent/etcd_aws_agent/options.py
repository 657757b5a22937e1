"""What the flags say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Options:
    """A start without flags has the defaults.

    Attributes:
        variables: flags that stand for environment variables, by the variable's name.
        watch_s: refresh the file for ever, about every so many seconds.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    is_dry_run: bool = False
    watch_s: float | None = None
    is_renewal: bool = False
