"""Certificates from the controller, as a host gets them."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.unit.agent.authority import HOUR_S, Authority, new_key
from tests.unit.agent.conftest import Host
from tests.unit.agent.fake_aws import ADDRESS, INSTANCE, Server, ssm_error
from tests.unit.agent.fake_pki import ANSWER, BUNDLE, REQUEST, PkiAws

FILES = ("ca.crt", "host.crt", "host.key")


@pytest.fixture
def aws() -> Iterator[PkiAws]:
    fake = PkiAws()
    server = Server(fake)
    yield fake
    server.close()


@pytest.fixture
def pki(host: Host) -> Path:
    host.env.update(ETCD_PKI="automatic", ETCD_PKI_DIR=str(host.root / "pki"))
    host.env["ETCD_USER"] = "nobody-of-this-name"
    return host.root / "pki"


def texts(pki: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(pki.iterdir())}


def test_a_fresh_host_makes_a_key_asks_and_has_its_files_before_its_record(host: Host, aws: PkiAws, pki: Path) -> None:
    assert host.run() == 0

    assert sorted(texts(pki)) == sorted(FILES)
    assert texts(pki)["host.crt"] == aws.parameters[ANSWER]
    assert texts(pki)["ca.crt"] == aws.parameters[BUNDLE]
    assert host.values()["ETCD_CERT_FILE"] == str(pki / "host.crt")
    (put,) = aws.puts()
    assert put["Name"] == REQUEST
    assert x509.load_pem_x509_csr(put["Value"].encode()).subject.rfc4514_string() == f"CN={INSTANCE}"
    assert aws.calls[-1][1]["Name"].endswith("/record")


def test_the_key_stays_here_and_nobody_else_reads_it(
    host: Host, aws: PkiAws, pki: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host.run()

    key = (pki / "host.key").read_text()
    assert stat.S_IMODE((pki / "host.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(pki.stat().st_mode) == 0o700
    body = key.splitlines()[1]
    assert not [request for request in aws.requests if body in request[3]]
    assert body not in capsys.readouterr().err


def test_the_next_start_asks_nothing_and_changes_nothing(host: Host, aws: PkiAws, pki: Path) -> None:
    host.run()
    before = {path.name: (path.read_text(), path.stat().st_mtime_ns) for path in pki.iterdir()}

    assert host.run() == 0

    assert len(aws.puts()) == 1
    assert {path.name: (path.read_text(), path.stat().st_mtime_ns) for path in pki.iterdir()} == before


def test_while_there_is_no_answer_it_asks_once_and_gives_up_at_the_deadline_with_its_own_code(
    host: Host, aws: PkiAws, pki: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.ca = None
    host.env["AGENT_DEADLINE_S"] = "1.5"

    assert host.run() == 20

    assert len(aws.puts()) == 1
    assert list(texts(pki)) == ["host.key"]
    assert not host.peers_file.exists()
    assert 'event="gave up"' in capsys.readouterr().err


def test_an_answer_that_came_meanwhile_is_taken_without_asking_again(host: Host, aws: PkiAws, pki: Path) -> None:
    ca, aws.ca = aws.ca, None
    host.env["AGENT_DEADLINE_S"] = "0.1"
    assert host.run() == 20
    assert ca
    aws.parameters[ANSWER] = ca.answer(aws.puts()[0]["Value"], (ADDRESS,))
    host.env["AGENT_DEADLINE_S"] = "5"

    assert host.run() == 0

    assert len(aws.puts()) == 1
    assert texts(pki)["host.crt"] == aws.parameters[ANSWER]


class Wrong(NamedTuple):
    """An answer that is not good: who issued it, for whom, and what the agent says to it."""

    said: str
    issuer: Authority | None = None
    addresses: tuple[str, ...] = (ADDRESS,)
    life: Mapping[str, Any] = {}
    text: str | None = None

    def answer(self, ca: Authority, request: str) -> str:
        return (self.issuer or ca).answer(request, self.addresses, **self.life) if self.text is None else self.text


OF_ANOTHER_KEY = Authority().issue(new_key().public_key(), "i", (ADDRESS,))
WRONG = {
    "a foreign CA": Wrong("certificate signature failure", issuer=Authority("ca")),
    "an unknown CA": Wrong("unable to get local issuer", issuer=Authority("other")),
    "another address": Wrong(f"not for {ADDRESS}", addresses=("10.0.0.5",)),
    "no address": Wrong(f"not for {ADDRESS}", addresses=()),
    "expired": Wrong("expired", life={"until_s": -1.0}),
    "not yet valid": Wrong("not yet valid", life={"since_s": HOUR_S}),
    "only for servers": Wrong("unsuitable certificate purpose", life={"usages": [ExtendedKeyUsageOID.SERVER_AUTH]}),
    "only for clients": Wrong("unsuitable certificate purpose", life={"usages": [ExtendedKeyUsageOID.CLIENT_AUTH]}),
    "another key": Wrong("for another key", text=OF_ANOTHER_KEY),
    "no certificate": Wrong("cannot be read", text="certificate"),
    "cut off": Wrong("cannot be read", text=OF_ANOTHER_KEY[:300]),
    "nothing that is PEM": Wrong("characters that PEM does not have", text="\u00fc"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_an_answer_that_would_not_work_is_not_taken(
    host: Host, aws: PkiAws, pki: Path, capsys: pytest.CaptureFixture[str], wrong: Wrong
) -> None:
    host.env["AGENT_DEADLINE_S"] = "0.1"
    ca, aws.ca = aws.ca, None
    host.run()
    assert ca
    aws.parameters[ANSWER] = wrong.answer(ca, aws.puts()[0]["Value"])

    assert host.run() == 20

    assert list(texts(pki)) == ["host.key"]
    assert wrong.said in capsys.readouterr().err


def test_trouble_with_aws_is_waited_out(host: Host, aws: PkiAws, pki: Path) -> None:
    aws.troubles = [ssm_error("ThrottlingException"), ssm_error("AccessDeniedException"), ssm_error("Internal", 500)]

    host.env["AGENT_DEADLINE_S"] = "60"

    assert host.run() == 0
    assert sorted(texts(pki)) == sorted(FILES)
