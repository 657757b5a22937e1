"""What is wrong with somebody's certificate, key or request."""

from __future__ import annotations

from ..core.errors import ClusterError


class PkiError(ClusterError):
    """A certificate, a key or a request cannot be used; says which and why, never the key itself."""
