"""Who this instance is."""

from __future__ import annotations

from typing import NamedTuple


class Identity(NamedTuple):
    """What the instance metadata service says about this instance; validated, safe to write to a file."""

    instance_id: str
    private_ip: str
    region: str
