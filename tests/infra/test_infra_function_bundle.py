"""What is put into the function's bundle: models of few operations, and compiled code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.loaders
import botocore.session
import pytest

from infra.function_bundle import compile_for
from infra.service_models import endpoints_of, trimmed, write_models

ROOT = Path(__file__).parents[2]
OPERATIONS: dict[str, list[str]] = json.loads((ROOT / "lambda_src" / "aws_operations.json").read_text(encoding="utf-8"))
DATA = Path(botocore.loaders.Loader.BUILTIN_DATA_PATH)
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
MODEL: dict[str, Any] = {
    "metadata": {"endpointPrefix": "zoo"},
    "operations": {
        "Feed": {"input": {"shape": "Food"}, "errors": [{"shape": "Full"}], "documentation": "<p>Feeds</p>"},
        "Sell": {"input": {"shape": "Price"}},
    },
    "shapes": {
        "Food": {"type": "structure", "members": {"documentation": {"shape": "Text"}, "parts": {"shape": "Parts"}}},
        "Parts": {"type": "list", "member": {"shape": "Food"}},
        "Text": {"type": "string", "documentation": "some"},
        "Full": {"type": "structure", "members": {}},
        "Price": {"type": "integer"},
    },
}


def test_a_trimmed_model_has_what_its_operations_lead_to_and_no_documentation() -> None:
    model = trimmed(MODEL, ["Feed"])

    assert model["operations"] == {"Feed": {"input": {"shape": "Food"}, "errors": [{"shape": "Full"}]}}
    assert set(model["shapes"]) == {"Food", "Parts", "Text", "Full"}
    assert model["shapes"]["Text"] == {"type": "string"}
    assert "documentation" in model["shapes"]["Food"]["members"]  # a member of that name


def test_an_operation_that_a_service_does_not_have_is_refused() -> None:
    with pytest.raises(KeyError, match="Fly"):
        trimmed(MODEL, ["Fly"])


def test_of_the_endpoints_only_those_of_the_services_are_kept() -> None:
    kept = endpoints_of(
        {"version": 3, "partitions": [{"regions": {"x": {}}, "services": {"zoo": {}, "a": {}}}]}, {"zoo"}
    )
    assert kept == {"version": 3, "partitions": [{"regions": {"x": {}}, "services": {"zoo": {}}}]}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_models(DATA, OPERATIONS, folder)
    return folder


@pytest.mark.parametrize("service", OPERATIONS)
@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "cn-north-1", "eu-west-99"])
def test_a_client_of_the_trimmed_models_is_the_same_but_for_what_is_never_called(
    models: Path, service: str, region: str
) -> None:
    made = []
    for data_path in (str(models), None):
        session = botocore.session.Session()
        session.set_config_variable("data_path", data_path)
        session.set_credentials("test", "test")
        made.append(session.create_client(service, region))
    ours, plain = made
    assert sorted(ours.meta.service_model.operation_names) == OPERATIONS[service]
    assert ours.meta.endpoint_url == plain.meta.endpoint_url
    for name in OPERATIONS[service]:
        trimmed_operation, operation = (c.meta.service_model.operation_model(name) for c in made)
        for side in ("input_shape", "output_shape"):
            ours_shape, plain_shape = getattr(trimmed_operation, side), getattr(operation, side)
            assert list(ours_shape.members if ours_shape else ()) == list(plain_shape.members if plain_shape else ())


def test_what_is_compiled_runs_without_a_look_at_its_source(tmp_path: Path) -> None:
    (tmp_path / "some.py").write_text("print('compiled')\n", encoding="utf-8")
    assert compile_for(RUNTIME, tmp_path)
    (tmp_path / "some.py").write_text("print('source')\n", encoding="utf-8")

    ran = subprocess.run(
        [sys.executable, "-c", "import some"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "compiled\n"


def test_without_the_runtimes_python_nothing_is_compiled_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "some.py").touch()

    assert not compile_for("python9.99", tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "some.py"]
    assert "python9.99 is not on this machine" in capsys.readouterr().err


def test_a_stand_in_that_does_not_run_is_no_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "python9.98"
    stand_in.write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert not compile_for("python9.98", tmp_path)
