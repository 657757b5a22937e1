"""What the lab's tests share."""

from typing import Final

import pytest

from tests.lab.played import Played

SETTLE_S: Final = 120.0
SOON: Final = {"Delay": 0.1, "MaxAttempts": 1200}
"""How a waiter of boto3's asks: often, and as long as SETTLE_S."""


@pytest.fixture
def played() -> Played:
    return Played()
