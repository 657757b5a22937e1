"""Output of the command lines."""

from __future__ import annotations

import sys


def say(text: object) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
