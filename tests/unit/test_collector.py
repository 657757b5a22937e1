"""The collector is off while what stays is loaded, and looks at none of that later."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import pytest

from etcd_aws_cluster.collector import nothing_is_garbage


def test_what_is_loaded_is_left_alone_from_then_on() -> None:
    before = gc.get_freeze_count()
    with nothing_is_garbage():
        assert not gc.isenabled()

    assert gc.isenabled()
    assert gc.get_freeze_count() > before
    gc.unfreeze()


def test_the_collector_works_again_after_a_failure() -> None:
    with pytest.raises(ValueError, match="wrong"), nothing_is_garbage():
        raise ValueError("wrong")

    assert gc.isenabled()
    gc.unfreeze()


def test_lambda_comes_in_where_the_handler_is_loaded_so() -> None:
    code = (
        "import gc; from etcd_aws_cluster import entry, handler; "
        "assert entry.handle is handler.handle; assert gc.isenabled(); print(gc.get_freeze_count() > 10_000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.stdout.strip(), done.stderr) == ("True", "")
