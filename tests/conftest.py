"""What all tests share."""

from __future__ import annotations

import pytest

LONGEST_FIRST = (
    "end_to_end/test_tls.py",
    "end_to_end/test_life_of_a_cluster.py",
    "end_to_end/test_change.py",
    "end_to_end/test_torture.py",
    "end_to_end/test_attach.py",
    "images/test_images_volumes.py",
    "contract/test_sequences.py",
    "end_to_end/test_names_of_voters.py",
    "contract/test_tls_and_users.py",
    "contract/test_membership_api.py",
    "contract/test_tls_file.py",
    "lab/test_mischief.py",
    "explorer/test_explorer.py",
    "images/test_images_first_boot.py",
    "images/test_images_forms.py",
    "end_to_end/test_two_clusters.py",
    "end_to_end/test_own_pki.py",
    "images/test_images_container.py",
    "infra/test_infra_synth.py",
    "unit/agent/test_agent_bundle.py",
    "unit/agent/test_agent_pki_files.py",
    "unit/etcd/test_etcd_hostile.py",
    "unit/test_benchmarks.py",
)
"""Where workers share the files out they end together when these come first, in this order, and the small ones last."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the life of a cluster in the order written, however the other tests are shuffled.

    It comes last, since it takes longest; where workers share the tests out (pytest-xdist) what is long comes first.
    """

    def written(item: pytest.Item) -> tuple[str, int]:
        path, line, _ = item.location
        return path, line or 0

    life = sorted((item for item in items if item.get_closest_marker("end_to_end")), key=written)
    items[:] = [item for item in items if not item.get_closest_marker("end_to_end")] + life
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _turn(item.location[0]))


def _turn(path: str) -> int:
    return next((turn for turn, name in enumerate(LONGEST_FIRST) if path.endswith(name)), len(LONGEST_FIRST))
