"""Makes what is deployed, the function's code and the agent's file, without Docker (docs/decisions/0004)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsii
from aws_cdk import AssetHashType, BundlingOptions, BundlingOutput, DockerImage, IgnoreMode, ILocalBundling
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from infra.function_bundle import CACHES, fill, made_of
from infra.settings.controller import ControllerSettings

AssetMaker = Callable[[Construct, str], s3_assets.Asset]


@jsii.implements(ILocalBundling)
class _ControllerBundling:
    """Installs the requirements beside a copy of the sources, and compiles both."""

    def __init__(self, source: Path, settings: ControllerSettings) -> None:
        self._source = source
        self._settings = settings

    def try_bundle(self, output_dir: str, *_: object, **__: object) -> bool:
        """Fill ``output_dir``; there is no second way, so a failure is an error and never False."""
        fill(Path(output_dir), self._source, self._settings)
        return True


@jsii.implements(ILocalBundling)
class _FileBundling:
    """Has one file built by a function that is given the path to write."""

    def __init__(self, file_name: str, build: Callable[[Path], Path]) -> None:
        self._file_name = file_name
        self._build = build

    def try_bundle(self, output_dir: str, *_: object, **__: object) -> bool:
        """Build the one file into ``output_dir``."""
        self._build(Path(output_dir) / self._file_name)
        return True


def function_architecture(settings: ControllerSettings) -> lambda_.Architecture:
    """The function's processor."""
    return {"arm64": lambda_.Architecture.ARM_64, "x86_64": lambda_.Architecture.X86_64}[settings.function_architecture]


def function_runtime(settings: ControllerSettings) -> lambda_.Runtime:
    """The function's runtime."""
    return lambda_.Runtime(settings.function_runtime, lambda_.RuntimeFamily.PYTHON, supports_inline_code=True)


def controller_code(source: Path, settings: ControllerSettings) -> lambda_.Code:
    """The function's code: ``source`` with its requirements, made anew only when ``source`` or its platform changed."""
    # The command is never run: it is there because it counts for the hash, so that another platform or Python
    # does not find the old bundle.
    return lambda_.Code.from_asset(
        str(source), **_options(_ControllerBundling(source, settings), command=list(made_of(settings)))
    )


def agent_asset(source: Path, file_name: str, build: Callable[[Path], Path]) -> AssetMaker:
    """The agent's one file, made by ``build``; its name in S3 changes only when ``source`` has changed."""
    options = _options(_FileBundling(file_name, build), output_type=BundlingOutput.SINGLE_FILE)

    def make(scope: Construct, construct_id: str) -> s3_assets.Asset:
        return s3_assets.Asset(scope, construct_id, path=str(source), **options)

    return make


def _options(bundling: ILocalBundling, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - handed on as they are
    return {
        "asset_hash_type": AssetHashType.SOURCE,
        "exclude": list(CACHES),
        "ignore_mode": IgnoreMode.GIT,
        # The image is only named, never fetched: local bundling does not return False.
        "bundling": BundlingOptions(image=DockerImage.from_registry("none"), local=bundling, **more),
    }
