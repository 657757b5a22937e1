"""What the controller shows etcd, given or made, and when it is made anew."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from etcd_aws_cluster.core.certificates import CertificateEnds
from etcd_aws_cluster.core.errors import AwsError, ClusterError
from etcd_aws_cluster.pki.certificates import Subject, host, key_pem, new_key, pem
from etcd_aws_cluster.pki.errors import PkiError
from etcd_aws_cluster.pki.identity import ClientIdentity, Material, given_material, issued_material
from tests.fakes.fake_clock import FakeClock
from tests.pki import authorities

NOW = 1_700_000_000.0
CA = authorities(now=lambda: NOW)
CLIENT = Subject(name="controller")
TEN_YEARS_S = 3653 * 86400.0


def given(*, subject: Subject = CLIENT, at: float = NOW, **changed: object) -> str:
    """Return an operator's JSON of a good certificate, but for what is changed; None leaves a field out."""
    own = new_key()
    issued = CA.signing().issue(subject, own.public_key(), life=timedelta(hours=1), now=at)
    fields = {"ca": CA.bundle(), "cert": pem(issued), "key": key_pem(own)} | changed
    return json.dumps({name: value for name, value in fields.items() if value is not None})


def test_the_controllers_own_certificate_is_a_clients_for_an_hour_without_a_common_name() -> None:
    material = issued_material(CA, lambda: NOW)
    certificate = x509.load_pem_x509_certificate(material.certificate.encode())
    assert certificate.subject.rfc4514_string() == "O=etcd-aws-controller"
    assert material.ends_at == NOW + 3600
    assert material.ca == CA.bundle()
    assert "PRIVATE" not in repr(material)


@pytest.mark.parametrize("subject", [CLIENT, host("i-0a", "10.0.0.4")])
def test_an_operators_certificate_is_taken_whose_usage_has_clients_in_it(subject: Subject) -> None:
    material = given_material("ssm:/tls", given(subject=subject), NOW)
    ClientIdentity(lambda: material, now=lambda: NOW)()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-----BEGIN EC PRIVATE KEY-----", "ssm:/tls is not a JSON object"),
        ("[]", "ssm:/tls is not a JSON object"),
        (given(ca=None), "field ca is not PEM text"),
        (given(cert="x"), "field cert is not PEM text"),
        (given(key=7), "field key is not PEM text"),
        (given(ca="-----BEGIN CERTIFICATE-----\nx"), "field ca cannot be read"),
        (given(cert=CA.bundle().replace("M", "N")), "field cert cannot be read"),
        (given(key="-----BEGIN EC PRIVATE KEY-----\nx"), "field key cannot be read"),
        (given(key=key_pem(new_key())), "field key is not the key of the first certificate"),
        (given(at=NOW - 3600), "field cert is a certificate from .* to "),
        (given(at=NOW + 3600), "field cert is a certificate from .* to "),
        (given(cert=CA.bundle(), key=key_pem(CA.signing().key)), ""),
    ],
)
def test_what_is_wrong_with_an_operators_material_is_told_by_its_field(text: str, problem: str) -> None:
    if not problem:  # a CA's certificate says nothing about its use, and may be used as a client's
        given_material("ssm:/tls", text, NOW)
        return
    with pytest.raises(PkiError, match=f"ssm:/tls.*{problem}|{problem}") as error:
        given_material("ssm:/tls", text, NOW)
    assert "BEGIN" not in str(error.value)


@pytest.mark.parametrize("field", ["ca", "cert", "key"])
def test_what_people_write_beside_the_pem_is_not_looked_at(field: str) -> None:
    fields = json.loads(given())
    fields[field] = f"\ufeff# für etcd\r\n\n{fields[field]}\n  "
    material = given_material("ssm:/tls", json.dumps(fields), NOW)
    ClientIdentity(lambda: material, now=lambda: NOW)()


def test_a_key_with_a_password_is_told_as_such() -> None:
    encrypted = new_key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    with pytest.raises(PkiError, match=r"ssm:/tls: field key cannot be read \(expected PEM, without a password\)"):
        given_material("ssm:/tls", given(key=encrypted.decode()), NOW)


def test_what_openssl_does_not_take_is_told_with_the_source() -> None:
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - refused
    issued = CA.signing().issue(CLIENT, weak.public_key(), life=timedelta(hours=1), now=NOW)
    key = weak.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    material = given_material("ssm:/tls", given(cert=pem(issued), key=key.decode()), NOW)
    with pytest.raises(PkiError, match=r"ssm:/tls cannot be used: .*too small"):
        ClientIdentity(lambda: material, now=lambda: NOW)()


def test_of_a_certificate_that_is_made_here_only_the_cas_end_is_told() -> None:
    first = authorities(now=lambda: NOW - 3600).bundle()
    material = replace(issued_material(CA, lambda: NOW), ca=CA.bundle() + first)
    identity = ClientIdentity(lambda: material, now=lambda: NOW)
    assert identity.ends() == CertificateEnds()  # nothing was made yet, and asking makes nothing

    identity()

    assert identity.ends() == CertificateEnds(cas=NOW - 3600 + TEN_YEARS_S)


def test_of_what_an_operator_gives_his_certificate_ends_and_the_cas_and_what_lies_between() -> None:
    assert given_material("ssm:/tls", given(), NOW).ends() == CertificateEnds(cas=NOW + TEN_YEARS_S, given=NOW + 3600)
    chained = json.loads(given())
    between = CA.signing().issue(Subject(name="intermediate"), new_key().public_key(), life=timedelta(days=9), now=NOW)
    chained["cert"] += pem(between)

    material = given_material("ssm:/tls", json.dumps(chained), NOW)

    assert material.ends() == CertificateEnds(cas=NOW + 9 * 86400, given=NOW + 3600)


class Maker:
    """Makes what an identity is made of, or fails."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.made = 0
        self.problem: ClusterError | None = None
        self.troubles: list[str] = []
        self.identity = ClientIdentity(
            self.make, now=self.clock.now, trouble=lambda error: self.troubles.append(str(error))
        )

    def make(self) -> Material:
        self.made += 1
        if self.problem:
            raise self.problem
        return issued_material(CA, self.clock.now)


def test_one_context_serves_until_half_of_its_life_is_over() -> None:
    maker = Maker()
    first = maker.identity()
    maker.clock.advance(timedelta(minutes=29))
    assert maker.identity() is first

    maker.clock.advance(timedelta(minutes=2))

    assert maker.identity() is not first
    assert maker.made == 2


def test_where_the_next_one_cannot_be_made_the_old_one_serves_until_its_end() -> None:
    maker = Maker()
    first = maker.identity()
    maker.problem = AwsError("down")
    maker.clock.advance(timedelta(minutes=59))
    assert maker.identity() is first
    assert maker.troubles == ["down"]  # else nobody would hear of it before that end
    maker.clock.advance(timedelta(minutes=1))
    with pytest.raises(AwsError, match="down"):
        maker.identity()


def test_what_failed_is_not_tried_again_for_each_endpoint_and_each_look() -> None:
    maker = Maker()
    maker.problem = AwsError("down")
    for _ in range(9):
        with pytest.raises(AwsError, match="down"):
            maker.identity()
    assert maker.made == 1

    maker.problem = None
    maker.clock.advance(timedelta(seconds=5))
    maker.identity()
    assert maker.made == 2


def test_the_key_is_in_a_file_of_ones_own_for_a_moment_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    make = tempfile.NamedTemporaryFile

    def watched(**options: Any) -> object:  # noqa: ANN401 - as tempfile has it
        file = make(**options)
        modes.append(Path(file.name).stat().st_mode & 0o777)
        return file

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", watched)
    Maker().identity()
    assert modes == [0o600]
    assert not list(tmp_path.iterdir())
