"""A cluster on one machine: the really deployed stack in a local AWS, with instances as processes and real etcd."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.lab import Lab as Lab

__all__ = ["Lab"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # the module protocol's own
    """Import :class:`lab.lab.Lab` on first use: the hosts' process is a part of this package and needs no boto3."""
    if name == "Lab":
        from lab.lab import Lab  # noqa: PLC0415

        return Lab
    raise AttributeError(f"module 'lab' has no attribute {name!r}")
