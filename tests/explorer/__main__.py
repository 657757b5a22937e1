"""``python -m tests.explorer``, from the root of the repository."""

from __future__ import annotations

import sys

# What is explored unless PYTHONPATH names another: tests/planted puts its own copies first.
sys.path += ["lambda_src", "bootstrap_agent"]

from tests.explorer.cli import main

if __name__ == "__main__":
    sys.exit(main())
