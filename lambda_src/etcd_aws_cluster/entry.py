"""Where Lambda comes in: loads the handler, nothing of which is ever garbage."""

from __future__ import annotations

from .collector import nothing_is_garbage

with nothing_is_garbage():
    from .handler import handle

__all__ = ["handle"]
