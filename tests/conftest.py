"""What all tests share."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the life of a cluster last, and in the order written, however the other tests are shuffled."""
    life = sorted(
        (item for item in items if item.get_closest_marker("end_to_end")),
        key=lambda item: (item.location[0], item.location[1] or 0),
    )
    items[:] = [item for item in items if not item.get_closest_marker("end_to_end")] + life
