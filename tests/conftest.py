"""What all tests share."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the life of a cluster in the order written, however the other tests are shuffled.

    It comes last, since it takes longest; first where another worker runs the other tests beside it (pytest-xdist).
    """
    life = sorted(
        (item for item in items if item.get_closest_marker("end_to_end")),
        key=lambda item: (item.location[0], item.location[1] or 0),
    )
    rest = [item for item in items if not item.get_closest_marker("end_to_end")]
    items[:] = life + rest if hasattr(config, "workerinput") else rest + life
