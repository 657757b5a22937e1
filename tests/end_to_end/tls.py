"""How the tests look at TLS: handshakes of their own, what lies where, and a PKI of their own."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab import Lab

CLIENT_PORT, PEER_PORT = 2379, 2380
PRIVATE_KEY = "PRIVATE KEY"
_ANSWER_S = 60.0


def addresses(lab: Lab) -> dict[str, str]:
    """The private address of each host of the cluster that is on, by instance id."""
    return {
        each["instance_id"]: each["address"]
        for each in lab.hosts()
        if each["group"] == lab.state.cluster and each["powered"]
    }


def served(lab: Lab, address: str, port: int) -> x509.Certificate:
    """The certificate with which a member answers a handshake of the lab's client now, whoever issued it."""
    files, context = lab.tls.ready(), ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(files.certificate, files.key)
    with socket.create_connection((address, port), _ANSWER_S) as plain, context.wrap_socket(plain) as secured:
        shown = secured.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown)


def answers(address: str, port: int, *, lab: Lab | None, path: str = "/version") -> bool:
    """Whether a member answers GET over TLS; with the lab's client certificate, or with none."""
    context = ssl.create_default_context()
    if lab is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        files = lab.tls.ready()
        context.load_verify_locations(files.ca)
        context.load_cert_chain(files.certificate, files.key)
    try:
        with (
            socket.create_connection((address, port), _ANSWER_S) as plain,
            context.wrap_socket(plain, server_hostname=address) as secured,
        ):
            return _get(secured, address, path)
    except (ssl.SSLError, ConnectionError):
        return False


def answers_in_the_clear(address: str, port: int, path: str = "/version") -> bool:
    """Whether a member answers GET without TLS."""
    try:
        with socket.create_connection((address, port), _ANSWER_S) as plain:
            return _get(plain, address, path)
    except ConnectionError:
        return False


def _get(connection: socket.socket, address: str, path: str) -> bool:
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
    return connection.recv(64).startswith(b"HTTP/1.1 200")


def places_of_private_keys(lab: Lab) -> list[str]:
    """Where in the local AWS, and in all that anybody logged, something looks like a private key."""
    return sorted({place for place, text in _everything(lab) if PRIVATE_KEY in text})


def _everything(lab: Lab) -> Iterator[tuple[str, str]]:
    ssm, secrets = lab.ssm, lab.client("secretsmanager")
    for page in ssm.get_paginator("describe_parameters").paginate():
        for parameter in page["Parameters"]:
            history = ssm.get_paginator("get_parameter_history").paginate(Name=parameter["Name"], WithDecryption=True)
            for version in (each for kept in history for each in kept["Parameters"]):
                yield parameter["Name"], version["Value"]
    for secret in secrets.list_secrets()["SecretList"]:
        for version_id in secret["SecretVersionsToStages"]:
            value = secrets.get_secret_value(SecretId=secret["ARN"], VersionId=version_id)
            yield secret["Name"], value.get("SecretString") or value["SecretBinary"].decode(errors="replace")
    yield "function's log", "\n".join(lab.function_log())
    yield "function's settings", json.dumps(lab.client("lambda").list_functions()["Functions"], default=str)
    for template in lab.client("ec2").describe_launch_templates()["LaunchTemplates"]:
        versions = lab.client("ec2").describe_launch_template_versions(
            LaunchTemplateId=template["LaunchTemplateId"], Versions=["$Latest"]
        )
        data: dict[str, Any] = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        yield "user data", base64.b64decode(data.get("UserData", "")).decode()
    for path in (*lab.directory.glob("*.log"), *lab.directory.glob("instances/*/*.log")):
        yield path.name, path.read_text(encoding="utf-8", errors="replace")


class OwnPki:
    """A CA that is not ours, and what it issues."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("a CA of somebody")
        builder = _builder(self._name, self._key.public_key(), self._name)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self._certificate = builder.sign(self._key, hashes.SHA256())

    def material(self, name: str, *names: x509.GeneralName) -> dict[str, str]:
        """``ca``, ``cert`` and ``key`` of a certificate for server and client."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name), key.public_key(), self._name)
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        encoding = serialization.Encoding.PEM
        private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return {
            "ca": self._certificate.public_bytes(encoding).decode(),
            "cert": builder.sign(self._key, hashes.SHA256()).public_bytes(encoding).decode(),
            "key": private.decode(),
        }

    def host(self, address: str) -> dict[str, str]:
        """The material of a host with that address."""
        mine = (x509.IPAddress(ipaddress.ip_address(each)) for each in (address, "127.0.0.1"))
        return self.material(f"host {address}", *mine, x509.DNSName("localhost"))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, key: ec.EllipticCurvePublicKey, issuer: x509.Name) -> x509.CertificateBuilder:
    now = dt.datetime.fromtimestamp(time.time(), dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
    )
