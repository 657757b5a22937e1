"""What is in the certificates, and which requests are good enough for one."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from etcd_aws_agent import render
from etcd_aws_cluster.pki.certificates import (
    MEMBER_CN,
    Authority,
    Subject,
    host,
    key_pem,
    load_authority,
    new_authority,
    new_key,
    pem,
    requested_key,
)
from etcd_aws_cluster.pki.errors import PkiError
from tests.pki import csr

NOW = 1_700_000_000.5
WEEK = timedelta(hours=168)
HOST = host("i-0a", "10.0.0.4", ["etcd.example.internal"])
CA = new_authority("orders", 2, now=NOW)


def issued(
    subject: Subject = HOST, *, ca: Authority = CA, life: timedelta = WEEK, now: float = NOW
) -> x509.Certificate:
    return ca.issue(subject, new_key().public_key(), life=life, now=now)


def usages(certificate: x509.Certificate) -> set[x509.ObjectIdentifier]:
    return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def test_the_ca_is_one_names_cluster_and_generation_and_signs_no_other_ca() -> None:
    certificate = CA.certificate
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)

    assert certificate.subject.rfc4514_string() == "CN=orders CA 2,O=orders"
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert not usage.value.digital_signature
    assert certificate.not_valid_after_utc > at(NOW) + timedelta(days=3650)
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)


def test_the_longest_cluster_name_fits() -> None:
    (name,) = new_authority("c" * 100, 999, now=NOW).certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert len(name.value) == 64
    assert str(name.value).endswith("c CA 999")


def test_hosts_have_the_common_name_that_agents_have_etcd_ask_of_peers() -> None:
    assert MEMBER_CN == render.MEMBER_CN
    assert host("i-0a", "10.0.0.4").name == host("i-0b", "10.0.0.5").name == MEMBER_CN


def test_a_host_is_server_and_client_by_its_id_its_address_and_loopback() -> None:
    certificate = issued()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert certificate.subject.rfc4514_string() == "CN=etcd:member"
    assert names.get_values_for_type(x509.DNSName) == ["i-0a", "localhost", "etcd.example.internal"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.4", "127.0.0.1"]
    assert usages(certificate) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    certificate.verify_directly_issued_by(CA.certificate)


def test_a_client_is_a_client_and_nothing_else() -> None:
    certificate = issued(Subject(name="backup"))

    assert certificate.subject.rfc4514_string() == "CN=backup"
    assert usages(certificate) == {ExtendedKeyUsageOID.CLIENT_AUTH}
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_a_certificate_begins_a_little_before_for_clocks_that_are_behind() -> None:
    certificate = issued()
    assert certificate.not_valid_before_utc == at(NOW) - timedelta(minutes=5)
    assert certificate.not_valid_after_utc == at(NOW) + WEEK


def test_a_certificate_never_outlives_the_ca() -> None:
    end = CA.certificate.not_valid_after_utc.timestamp()
    assert issued(now=end - 60).not_valid_after_utc.timestamp() == end
    with pytest.raises(PkiError, match="generation 2 of the CA ended at"):
        issued(now=end)


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-256", "P-384", "RSA 2048"],
)
def test_a_good_key_is_taken_from_a_request_and_nothing_else_of_it(key: ec.EllipticCurvePrivateKey) -> None:
    public_key = requested_key(csr(key, "root"))

    certificate = CA.issue(HOST, public_key, life=WEEK, now=NOW)

    assert certificate.public_key() == key.public_key()
    assert "root" not in certificate.subject.rfc4514_string()
    assert len(pem(certificate)) < 4096  # what a standard parameter holds


def tampered() -> str:
    """Return a request whose name was changed after it was signed."""
    good = x509.load_pem_x509_csr(csr(new_key(), "aaaa").encode())
    der = good.public_bytes(encoding=serialization.Encoding.DER)
    changed = x509.load_der_x509_csr(der.replace(b"aaaa", b"aaab"))
    return changed.public_bytes(serialization.Encoding.PEM).decode()


def of_version(number: int) -> str:
    """Return a request that says that it is of some version; there is only 0."""
    der = x509.load_pem_x509_csr(csr(new_key()).encode()).public_bytes(serialization.Encoding.DER)
    text = base64.encodebytes(der.replace(b"\x02\x01\x00", bytes((2, 1, number)), 1)).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not a CSR in PEM"),
        (of_version(1), "not a CSR in PEM: InvalidVersion"),
        ("hello", "not a CSR in PEM"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "not a CSR in PEM"),
        (CA.certificate_pem, "not a CSR in PEM"),
        ("x" * 4097, "4097 characters, expected at most 4096"),
        (tampered(), "not signed by its own key"),
        (csr(rsa.generate_private_key(65537, 1024)), "RSA of 1024 bits, expected EC P-256"),  # noqa: S505 - refused
        (csr(ec.generate_private_key(ec.SECP521R1())), "EC secp521r1, expected EC P-256"),
        (csr(ec.generate_private_key(ec.SECP256K1())), "EC secp256k1, expected EC P-256"),
    ],
)
def test_a_bad_request_is_told_by_what_is_wrong_with_it(text: str, problem: str) -> None:
    with pytest.raises(PkiError, match=problem):
        requested_key(text)


def test_a_request_of_another_kind_of_key_is_refused() -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.sign(ed25519.Ed25519PrivateKey.generate(), None)
    with pytest.raises(PkiError, match="Ed25519PublicKey"):
        requested_key(request.public_bytes(serialization.Encoding.PEM).decode())


def test_a_young_certificate_for_the_same_key_and_names_is_an_answer_already() -> None:
    public_key = new_key().public_key()
    text = pem(CA.issue(HOST, public_key, life=WEEK, now=NOW))

    assert CA.answers(text, HOST, public_key, now=NOW + 60)
    assert not CA.answers(None, HOST, public_key, now=NOW)
    assert not CA.answers("rubbish", HOST, public_key, now=NOW)
    assert not CA.answers(text, HOST, new_key().public_key(), now=NOW)
    assert not CA.answers(text, host("i-0a", "10.0.0.5"), public_key, now=NOW)
    assert not CA.answers(text, host("i-0b", "10.0.0.4", ["etcd.example.internal"]), public_key, now=NOW)
    assert not CA.answers(text, HOST, public_key, now=NOW + WEEK.total_seconds() / 2)  # when a host asks again
    assert not new_authority("orders", 3, now=NOW).answers(text, HOST, public_key, now=NOW)


def test_a_clients_young_certificate_is_an_answer_too() -> None:
    public_key, backup = new_key().public_key(), Subject(name="backup")
    text = pem(CA.issue(backup, public_key, life=WEEK, now=NOW))
    assert CA.answers(text, backup, public_key, now=NOW)
    assert not CA.answers(text, Subject(name="other"), public_key, now=NOW)


def test_a_ca_is_read_back_as_it_was_written() -> None:
    again = load_authority(2, CA.certificate_pem, key_pem(CA.key))
    issued(ca=again).verify_directly_issued_by(CA.certificate)


@pytest.mark.parametrize(
    ("certificate", "key", "problem"),
    [
        ("rubbish", key_pem(CA.key), "cannot be read"),
        (CA.certificate_pem, "rubbish", "cannot be read"),
        (CA.certificate_pem, key_pem(new_key()), "the key is not the certificate's"),
    ],
)
def test_a_ca_that_cannot_be_used_is_told_without_its_key(certificate: str, key: str, problem: str) -> None:
    with pytest.raises(PkiError, match=f"generation 2 of the CA.*{problem}") as error:
        load_authority(2, certificate, key)
    assert "PRIVATE" not in str(error.value)


def test_a_certificate_that_is_no_cas_cannot_sign() -> None:
    key = new_key()
    leaf = CA.issue(HOST, key.public_key(), life=WEEK, now=NOW)
    with pytest.raises(PkiError, match="not a CA's"):
        load_authority(2, pem(leaf), key_pem(key))
