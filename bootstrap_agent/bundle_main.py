"""Start of the bundle: unpacks itself beside the archive once, for Python keeps no compiled code of what is in a zip.

Measured in docs/decisions/0002-agent-runtime.md. What only unpacking needs is imported there; so is pathlib nowhere.
"""
# ruff: noqa: PTH100, PTH101, PTH104, PTH112, PTH118, PTH120, PTH122, PLC0415

import gc
import os
import sys

BUNDLE_ID = "@BUNDLE_ID@"  # filled in by the build: what was unpacked for another bundle is never used


def unpacked(archive: str) -> tuple[str, bool]:
    """Return the folder with the modules, unpacked if they are not there yet, and whether it is to stay."""
    folder = f"{os.path.splitext(archive)[0]}-{BUNDLE_ID}"
    if os.path.isdir(folder):
        return folder, True
    import atexit
    import shutil
    import tempfile
    import zipfile

    try:
        fresh = tempfile.mkdtemp(prefix=".unpacking-", dir=os.path.dirname(folder))
    except OSError:  # a read-only place: good for this run only
        fresh = folder = tempfile.mkdtemp(prefix="etcd-aws-agent-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with zipfile.ZipFile(archive) as bundle:
        bundle.extractall(fresh)
    if fresh == folder:
        return folder, False
    os.chmod(fresh, 0o755)  # noqa: S103 - code for everybody to read; mkdtemp made it private
    os.sync()  # a power cut must not leave a folder of empty files under the final name
    try:
        os.rename(fresh, folder)
    except OSError:  # another start was faster
        shutil.rmtree(fresh, ignore_errors=True)
    return folder, True


if __name__ == "__main__":
    # Nothing of what is imported is garbage; looking for it takes a fifth of the start-up time, now or later.
    gc.disable()
    home, is_to_stay = unpacked(os.path.abspath(sys.path[0]))
    sys.path[0] = os.path.join(home, "lib")
    from etcd_aws_agent.__main__ import main

    gc.freeze()
    gc.enable()
    code = main()
    if is_to_stay:
        # Nor is there anything to tidy up at the end, which takes some milliseconds.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
