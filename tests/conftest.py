"""What all tests share."""

from __future__ import annotations

import pytest

LONGEST_FIRST = ("test_tls.py", "test_life_of_a_cluster.py", "test_change.py", "test_attach.py")
"""Files of end_to_end; two workers end together when the small ones come last."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the life of a cluster in the order written, however the other tests are shuffled.

    It comes last, since it takes longest; first where another worker runs the other tests beside it (pytest-xdist).
    """
    is_shared = hasattr(config, "workerinput")

    def turn(item: pytest.Item) -> tuple[int, str, int]:
        path, line, _ = item.location
        by_length = [path.endswith(name) for name in LONGEST_FIRST] if is_shared else []
        return by_length.index(True) if True in by_length else len(by_length), path, line or 0

    life = sorted((item for item in items if item.get_closest_marker("end_to_end")), key=turn)
    rest = [item for item in items if not item.get_closest_marker("end_to_end")]
    items[:] = life + rest if is_shared else rest + life
