"""Certificates of one's own PKI, as a host gets them."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from tests.unit.agent.authority import HOUR_S, Authority, key_pem, new_key
from tests.unit.agent.conftest import Host
from tests.unit.agent.fake_aws import ADDRESS, INSTANCE, Scripted, Server
from tests.unit.agent.fake_pki import PkiAws

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:etcd/{instance_id}-AbCdEf"
FILLED = ARN.replace("{instance_id}", INSTANCE)
CA = Authority()


def material(ca: Authority = CA, address: str | None = ADDRESS, **life: float) -> dict[str, str]:
    key = new_key()
    addresses = (address,) if address else ()
    certificate = ca.issue(key.public_key(), "host", addresses, **life)  # type: ignore[arg-type]
    return {"ca": CA.pem, "cert": certificate, "key": key_pem(key)}


@pytest.fixture
def aws() -> Iterator[PkiAws]:
    fake = PkiAws(ca=None)
    server = Server(fake)
    yield fake
    server.close()


@pytest.fixture
def pki(host: Host) -> Path:
    host.env.update(ETCD_PKI="own", ETCD_PKI_DIR=str(host.root / "pki"), HOST_TLS_SOURCE=ARN)
    return host.root / "pki"


def texts(pki: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(pki.iterdir())} if pki.exists() else {}


def test_a_secret_for_each_host_is_fetched_where_its_arn_says_and_written(host: Host, aws: PkiAws, pki: Path) -> None:
    given = material()
    aws.secrets[FILLED] = json.dumps(given)

    assert host.run() == 0

    assert texts(pki) == {"ca.crt": given["ca"], "host.crt": given["cert"], "host.key": given["key"]}
    assert stat.S_IMODE((pki / "host.key").stat().st_mode) == 0o600
    headers, body = aws.posts()[0]
    assert headers["x-amz-target"] == "secretsmanager.GetSecretValue"
    assert json.loads(body) == {"SecretId": FILLED}
    assert "/eu-west-1/secretsmanager/aws4_request" in headers["authorization"]
    assert host.values()["ETCD_PEER_CERT_FILE"] == str(pki / "host.crt")


def test_a_secure_string_is_read_decrypted_by_a_name_that_may_have_the_address(
    host: Host, aws: PkiAws, pki: Path
) -> None:
    host.env["HOST_TLS_SOURCE"] = "ssm:/tls/{private_ip}"
    aws.parameters[f"/tls/{ADDRESS}"] = json.dumps(material())

    assert host.run() == 0

    assert aws.calls[0] == ("GetParameter", {"Name": f"/tls/{ADDRESS}", "WithDecryption": True})
    assert len(texts(pki)) == 3


@pytest.mark.parametrize("with_chain", [False, True])
def test_a_ca_below_another_one_is_trusted_by_itself_as_etcd_does(
    host: Host, aws: PkiAws, pki: Path, *, with_chain: bool
) -> None:
    issuing = Authority("issuing", root=CA)
    given = material(issuing) | {"ca": issuing.pem}
    given["cert"] += issuing.pem if with_chain else ""
    aws.secrets[FILLED] = json.dumps(given)

    assert host.run() == 0

    assert texts(pki)["ca.crt"] == issuing.pem


def encrypted() -> str:
    password = BestAvailableEncryption(b"secret")
    return new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, password).decode()


UNUSABLE: dict[str, tuple[object, str]] = {
    "no SANs": (material(address=None), f"not for {ADDRESS}: expected it among the IP addresses"),
    "another address": (material(address="10.0.0.5"), f"not for {ADDRESS}"),
    "another CA": (material(Authority("other")), "unable to get local issuer"),
    "expired": (material(since_s=-2 * HOUR_S, until_s=-HOUR_S), "expired"),
    "another key": ({**material(), "key": key_pem(new_key())}, "for another key"),
    "an encrypted key": ({**material(), "key": encrypted()}, "the key not encrypted"),
    "no key": ({"ca": CA.pem, "cert": "x"}, "no key in it"),
    "an empty CA": ({**material(), "ca": " "}, "no ca in it"),
    "a CA that is none": ({**material(), "ca": "x"}, "the CA bundle has no certificate"),
    "a list": ([], "expected a JSON object of ca, cert and key"),
    "a number": ({**material(), "key": 1}, "no key in it"),
    "letters of no alphabet": ({**material(), "key": "\ud800"}, "characters that PEM does not have"),
}


@pytest.mark.parametrize("case", UNUSABLE.values(), ids=UNUSABLE)
def test_material_that_does_not_work_is_refused_with_what_is_wrong_and_never_shown(
    host: Host, aws: PkiAws, pki: Path, capsys: pytest.CaptureFixture[str], case: tuple[object, str]
) -> None:
    given, said = case
    aws.secrets[FILLED] = json.dumps(given)

    assert host.run() == 22

    err = capsys.readouterr().err
    assert said in err
    assert FILLED in err
    assert "PRIVATE KEY" not in err
    assert texts(pki) == {}
    assert not host.peers_file.exists()


def test_text_that_is_no_json_is_refused(host: Host, aws: PkiAws, pki: Path) -> None:
    aws.secrets[FILLED] = "-----BEGIN"

    assert host.run() == 22


@pytest.mark.parametrize("arguments", [(), ("--renew",)])
def test_bad_material_never_replaces_good(host: Host, aws: PkiAws, pki: Path, arguments: tuple[str, ...]) -> None:
    aws.secrets[FILLED] = json.dumps(material())
    assert host.run() == 0
    before = texts(pki)
    aws.secrets[FILLED] = json.dumps(material(address="10.0.0.5"))

    assert host.run(*arguments) == (22 if arguments else 0)

    assert texts(pki) == before


def test_a_secret_that_is_not_there_is_waited_for(host: Host, aws: PkiAws, pki: Path) -> None:
    aws.troubles = [Scripted(400, b'{"__type": "ResourceNotFoundException"}')]
    aws.secrets[FILLED] = json.dumps(material())
    host.env["AGENT_DEADLINE_S"] = "60"

    assert host.run() == 0


def test_a_secret_that_never_comes_ends_at_the_deadline(
    host: Host, aws: PkiAws, pki: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host.env["AGENT_DEADLINE_S"] = "0.2"

    assert host.run() == 20
    assert f"{FILLED}: there is no such thing yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    "trouble", [Scripted(200, b'{"SecretBinary": "AAAA"}'), Scripted(400, b'{"__type": "AccessDeniedException"}')]
)
def test_an_answer_without_the_text_is_no_answer(
    host: Host, aws: PkiAws, pki: Path, capsys: pytest.CaptureFixture[str], trouble: Scripted
) -> None:
    aws.down = trouble
    host.env["AGENT_DEADLINE_S"] = "0.2"

    assert host.run() == 20
    assert "secretsmanager:GetSecretValue" in capsys.readouterr().err


def test_a_renewal_takes_what_the_source_has_now_and_leaves_the_peers_file_alone(
    host: Host, aws: PkiAws, pki: Path
) -> None:
    aws.secrets[FILLED] = json.dumps(material())
    assert host.run() == 0
    host.peers_file.unlink()
    new = material()
    aws.secrets[FILLED] = json.dumps(new)

    assert host.run("--renew") == 0

    assert texts(pki)["host.crt"] == new["cert"]
    assert texts(pki)["host.key"] == new["key"]
    assert not host.peers_file.exists()


def test_a_renewal_of_what_has_not_changed_touches_nothing(host: Host, aws: PkiAws, pki: Path) -> None:
    aws.secrets[FILLED] = json.dumps(material())
    assert host.run() == 0
    before = {path: path.stat().st_mtime_ns for path in pki.iterdir()}

    assert host.run("--renew") == 0
    assert {path: path.stat().st_mtime_ns for path in pki.iterdir()} == before


def test_a_renewal_on_a_host_without_material_says_what_is_missing(
    host: Host, aws: PkiAws, pki: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert host.run("--renew") == 23
    assert "no host.key, host.crt, ca.crt in" in capsys.readouterr().err
    assert aws.calls == []


@pytest.mark.parametrize("env", [{"ETCD_PKI": "off"}, {"ETCD_PKI": "own"}])
def test_where_certificates_come_with_the_image_nothing_is_fetched_rendered_or_renewed(
    host: Host, aws: PkiAws, env: dict[str, str]
) -> None:
    host.env.update(env, ETCD_PKI_DIR=str(host.root / "pki"))

    assert (host.run("--renew"), host.run()) == (0, 0)

    assert not (host.root / "pki").exists()
    assert "ETCD_CERT_FILE" not in host.values()
    assert [request["Name"] for _, request in aws.calls] == ["/etcd-aws-cluster/etcd/record"]


def test_a_dry_run_tells_what_it_finds_and_writes_nothing(
    host: Host, aws: PkiAws, pki: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert host.run("--dry-run") == 20
    aws.secrets[FILLED] = json.dumps(material())

    assert host.run("--dry-run") == 0

    said = capsys.readouterr()
    assert "certificates=missing" in said.err
    assert "certificates=good" in said.err
    assert "ETCD_CERT_FILE=" in said.out
    assert "PRIVATE KEY" not in said.out + said.err
    assert texts(pki) == {}
