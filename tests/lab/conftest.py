"""What the lab's tests share."""

import pytest

from tests.lab.played import Played


@pytest.fixture
def played() -> Played:
    return Played()
