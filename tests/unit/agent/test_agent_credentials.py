"""Where the agent finds credentials, and for how long it keeps them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from etcd_aws_agent.credentials import ROLE_GOOD_FOR_S, CredentialChain, Keys
from etcd_aws_agent.errors import UnavailableError
from tests.unit.agent.fake_aws import FakeAws, Scripted, Server

ROLE_PATH = "GET /latest/meta-data/iam/security-credentials/etcd-role"


class ContainerAws(FakeAws):
    """Also the endpoint that a container's agent serves."""

    def answer(self, method: str, path: str, headers: dict[str, str], body: str) -> Scripted:
        if path == "/container":
            keys = {"AccessKeyId": "CONTAINERKEY", "SecretAccessKey": "s", "Token": "t"}
            return Scripted(200, json.dumps({**keys, "Expiration": "2099-01-01T00:00:00Z"}).encode())
        return super().answer(method, path, headers, body)


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    fake = ContainerAws()
    server = Server(fake)
    yield fake
    server.close()


@pytest.fixture
def chain(aws: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CredentialChain:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return CredentialChain(metadata_endpoint=aws.url)


def test_those_of_the_role_are_read_once_and_again_after_five_minutes(
    chain: CredentialChain, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)

    assert chain.current() == chain.current() == Keys("ROLEKEY", "s", "session")
    assert aws.paths().count(ROLE_PATH) == 1
    now += ROLE_GOOD_FOR_S
    chain.current()
    assert aws.paths().count(ROLE_PATH) == 2


def test_refused_ones_are_read_again(chain: CredentialChain, aws: FakeAws) -> None:
    chain.current()
    chain.forget()
    chain.current()
    assert aws.paths().count(ROLE_PATH) == 2


def test_a_container_s_win_over_the_role(chain: CredentialChain, aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{aws.url}/container")
    assert chain.current() == Keys("CONTAINERKEY", "s", "t")
    assert not aws.requests


def test_a_file_without_keys_leaves_it_to_the_role(chain: CredentialChain, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\nregion = us-east-1\n")
    assert chain.current().access_key == "ROLEKEY"


def test_half_of_a_key_is_an_error_and_not_the_role(chain: CredentialChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVKEY")
    with pytest.raises(UnavailableError, match="AWS_SECRET_ACCESS_KEY"):
        chain.current()


def test_a_role_that_is_not_there_yet_is_found_later(chain: CredentialChain, aws: FakeAws) -> None:
    aws.role = False
    with pytest.raises(UnavailableError, match="no AWS credentials"):
        chain.current()
    aws.role = True
    assert chain.current().access_key == "ROLEKEY"
