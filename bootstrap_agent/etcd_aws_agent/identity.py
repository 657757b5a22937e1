"""Who this instance is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """What the instance metadata service says about this instance; validated, safe to write to a file."""

    instance_id: str
    private_ip: str
    region: str
