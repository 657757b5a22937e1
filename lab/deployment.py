"""The real deployment: ``cdk bootstrap`` and ``cdk deploy`` of the real app, into the local AWS."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lab.paths import CACHE, ROOT, LabError
from lab.setup import cdk_command, fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCOUNT: Final = "000000000000"
REGION: Final = "us-east-1"
# Of the lab's own: the CDK CLI remembers the account of an access key id between runs.
ACCESS_KEY_ID: Final = "etcd-aws-cluster-lab"
SECRET_ACCESS_KEY: Final = "lab"  # noqa: S105  # of no account
_SYNTH_S: Final = 800.0
_DEPLOY_S: Final = 1200.0


class Deployment:
    """Deploys the app.

    Args:
        endpoint: URL of the local AWS.
        log: file that gets what the CDK CLI says.
    """

    def __init__(self, endpoint: str, log: Path) -> None:
        self._endpoint = endpoint
        self._log = log

    def bootstrap(self) -> None:
        """Do ``cdk bootstrap``, without the app: that needs no synth.

        Raises:
            LabError: it failed; the message has its last words.
        """
        self._cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}", "--app", "", timeout_s=_DEPLOY_S)

    def synth(self, context: Mapping[str, str]) -> Path:
        """The synthesized app, from an earlier synth of the same sources with the same context if there is one.

        Raises:
            LabError: the synth failed; the message has its last words.
        """
        told = json.dumps(dict(context), sort_keys=True)
        key = f"{fingerprint()}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
        folder = CACHE / "lab-build" / f"synth-{key}"
        if not (folder / "manifest.json").exists():
            fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
            _link_assets(_assets(), fresh)
            # The CLI keeps what it looked up in the folder that it runs in, and the project's is no place for that.
            here = self._scratch_project() if "etcd:vpc_id" in context else ROOT
            flags = [word for name, value in context.items() for word in ("--context", f"{name}={value}")]
            try:
                self._cdk("synth", "--quiet", "--output", str(fresh), *flags, timeout_s=_SYNTH_S, folder=here)
                _link_assets(fresh, _assets())
                shutil.rmtree(folder, ignore_errors=True)
                fresh.rename(folder)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
        return folder

    def deploy(self, app: Path) -> None:
        """Do ``cdk deploy`` of a synthesized app.

        Raises:
            LabError: it failed; the message has its last words.
        """
        self._cdk("deploy", "--app", str(app), "--all", "--require-approval", "never", timeout_s=_DEPLOY_S)
        _link_assets(app, _assets())

    def destroy(self, app: Path) -> None:
        """Do ``cdk destroy`` of a synthesized app.

        Raises:
            LabError: it failed; the message has its last words.
        """
        self._cdk("destroy", "--app", str(app), "--all", "--force", timeout_s=_DEPLOY_S)

    def _scratch_project(self) -> Path:
        """A folder with nothing but the project's cdk.json, which runs the app where it is."""
        folder = self._log.with_name("cdk-project")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        told = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))
        told["app"] = f"{sys.executable} {ROOT / 'app.py'}"
        (folder / "cdk.json").write_text(json.dumps(told), encoding="utf-8")
        return folder

    def _cdk(self, *arguments: str, timeout_s: float, folder: Path = ROOT) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        command = [*cdk_command(), *arguments, "--no-notices"]
        with self._log.open("a+", encoding="utf-8") as log:
            start = log.tell()
            done = subprocess.run(
                command, cwd=folder, env=self._environment(), stdout=log, stderr=log, timeout=timeout_s, check=False
            )
            if done.returncode:
                log.seek(start)
                raise LabError(f"cdk {arguments[0]} failed (all of it: {self._log}):\n{log.read()[-3000:].strip()}")

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in {"AWS_CA_BUNDLE", "AWS_PROFILE"}}
        here = str(Path(sys.executable).parent)
        return {
            **kept,
            **aws_environment(self._endpoint),
            "PATH": os.pathsep.join([here, kept.get("PATH", os.defpath)]),
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
            "CI": "true",
            # It takes 4 s to load, only warns, and cfn-lint looks at the same templates in the tests.
            "CDK_VALIDATION": "false",
        }


def _assets() -> Path:
    """What the synths of these sources have bundled and the deployments of it have packed, by its hash."""
    return CACHE / "lab-build" / f"assets-{fingerprint()}"


def _link_assets(source: Path, target: Path) -> None:
    """Let one folder have the assets of another: to bundle and to pack them takes longer than all else of a synth."""
    for made in [*source.glob("asset.*"), *source.glob(".cache/*.zip")]:
        place = target / made.relative_to(source)
        if place.exists():
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_name(f"{place.name}.{os.getpid()}.{threading.get_ident()}")
        if made.is_dir():
            shutil.copytree(made, fresh, copy_function=os.link)
        else:
            os.link(made, fresh)
        try:
            fresh.rename(place)
        except OSError:  # another process has been faster
            shutil.rmtree(fresh, ignore_errors=True)


def aws_environment(endpoint: str) -> dict[str, str]:
    """What makes any AWS tool talk to the local AWS, and to no other."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def function_platform() -> dict[str, str]:
    """The settings with which the function's compiled dependencies fit MiniStack's Python on this machine."""
    architecture = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    runtime = "python" + ".".join(platform.python_version_tuple()[:2])
    return {"etcd:function_architecture": architecture, "etcd:function_runtime": runtime}
