"""What each kind of host is told; tests/images has it done."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from infra.settings import Settings
from infra.user_data import LONGEST_BYTES, host_files, render_user_data
from tests.infra.hosts import KINDS, SCHEMES, UNKNOWN, VOLUMES, read_files, settings_of
from tests.infra.stacks import TOOLS

UNITS = "/etc/systemd/system/"


def rendered(system: str, volume: str = "root", scheme: str = "http") -> str:
    """The user data of a kind."""
    return render_user_data(settings_of(system, volume, scheme), architecture="arm64", unknown=UNKNOWN)


def variables(system: str, name: str, scheme: str = "http", **more: object) -> dict[str, str]:
    """An environment file of a host."""
    settings = Settings.from_context({**SCHEMES[scheme], **more}) if more else settings_of(system, "root", scheme)
    text = read_files(render_user_data(settings, architecture="arm64", unknown=UNKNOWN))
    lines = text[f"/etc/etcd-aws-cluster/{name}.env"].text.splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize(("system", "volume", "scheme"), KINDS)
def test_it_fits_and_is_read_as_it_was_meant(system: str, volume: str, scheme: str) -> None:
    text = rendered(system, volume, scheme)
    assert len(text.encode()) <= LONGEST_BYTES
    assert "@{" not in text
    assert "__" not in text
    meant = host_files(settings_of(system, volume, scheme), architecture="arm64")
    read = read_files(text)
    assert {file.path for file in meant} == read.keys()
    for file in meant:
        found = read[file.path]
        assert found.text == UNKNOWN.fill_in(file.text)
        assert (found.is_program, found.is_started) == (file.is_program, file.is_started)


@pytest.mark.parametrize(("system", "volume", "scheme"), KINDS)
def test_its_programs_pass_shellcheck(system: str, volume: str, scheme: str, tmp_path: Path) -> None:
    programs = [file for file in read_files(rendered(system, volume, scheme)).values() if file.is_program]
    assert programs
    for file in programs:
        assert file.text.startswith("#!/bin/bash\n")
        assert "\nset -euo pipefail\n" in file.text
        path = tmp_path / Path(file.path).name
        path.write_text(file.text)
        command = [str(TOOLS / "shellcheck"), "--severity=style"]
        done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("volume", VOLUMES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_ubuntu_is_told_what_amazon_linux_is(volume: str, scheme: str) -> None:
    assert rendered("ubuntu", volume, scheme) == rendered("amazon-linux-2023", volume, scheme)


@pytest.mark.parametrize(
    ("version", "architecture", "is_told"),
    [("3.4.37", "arm64", True), ("3.4.37", "amd64", False), ("3.5.27", "arm64", False), ("2.3.8", "arm64", True)],
)
def test_an_etcd_that_does_not_start_on_arm64_by_itself_is_told_to(
    version: str, architecture: str, *, is_told: bool
) -> None:
    settings = Settings.from_context({"etcd:etcd_version": version, "etcd:etcd_sha256": "0" * 64})
    files = {file.path: file.text for file in host_files(settings, architecture=architecture)}
    assert ("\nETCD_UNSUPPORTED_ARCH=arm64\n" in files["/etc/etcd-aws-cluster/agent.env"]) is is_told


def test_the_agents_settings_without_tls() -> None:
    assert variables("amazon-linux-2023", "agent") == {
        "CLUSTER_NAME": "etcd",
        "ETCD_CLIENT_SCHEME": "http",
        "ETCD_PEER_SCHEME": "http",
        "ETCD_CLIENT_PORT": "2379",
        "ETCD_SERVER_PORT": "2380",
        "ETCD_QUOTA_BACKEND_BYTES": "2147483648",
        "ETCD_DATA_DIR": "/var/lib/etcd/data",
        "ETCD_PEERS_FILE": "/etc/sysconfig/etcd-peers",
        "AGENT_DEADLINE_S": "1800",
        "AWS_REGION": "ap-southeast-1",
    }


@pytest.mark.parametrize(
    ("told", "more"),
    [
        ({}, {"ETCD_PKI": "automatic", "ETCD_PEER_CN_CHECK": "on"}),
        ({"etcd:peer_cn_check": "false"}, {"ETCD_PKI": "automatic"}),
        (
            {
                "etcd:pki": "own",
                "etcd:controller_tls_source": "ssm:/pki/controller",
                "etcd:host_tls_source": "ssm:/pki/hosts/{instance_id}",
            },
            {"ETCD_PKI": "own", "HOST_TLS_SOURCE": "ssm:/pki/hosts/{instance_id}"},
        ),
        (
            {"etcd:tls_transition": "true"},
            {"ETCD_PKI": "automatic", "ETCD_TLS_TRANSITION": "on", "ETCD_PEER_CN_CHECK": "on"},
        ),
    ],
)
def test_the_agents_settings_with_tls(told: dict[str, str], more: dict[str, str]) -> None:
    plain = {**variables("amazon-linux-2023", "agent"), "ETCD_CLIENT_SCHEME": "https", "ETCD_PEER_SCHEME": "https"}
    found = variables("amazon-linux-2023", "agent", "https", **{"etcd:size": 3, **told})
    assert found == plain | {"ETCD_USER": "etcd", "ETCD_PKI_DIR": "/etc/etcd/pki"} | more


def test_certificates_are_renewed_by_the_hour_where_there_are_any() -> None:
    assert not [path for path in read_files(rendered("ubuntu")) if "certificates" in path]
    files = read_files(rendered("ubuntu", scheme="https"))
    assert files[f"{UNITS}etcd-certificates.timer"].is_started
    renewal = files[f"{UNITS}etcd-certificates.service"].text
    assert "ExecStart=/usr/bin/python3 /usr/local/lib/etcd-aws-cluster/etcd-aws-agent.pyz --renew\n" in renewal
    assert "EnvironmentFile=/etc/etcd-aws-cluster/agent.env\n" in renewal


def test_setup_and_agent_run_before_every_start_of_etcd() -> None:
    unit = read_files(rendered("amazon-linux-2023"))[f"{UNITS}etcd.service"].text.splitlines()
    assert [line for line in unit if line.startswith("ExecStartPre=")] == [
        "ExecStartPre=+/usr/local/lib/etcd-aws-cluster/setup",
        "ExecStartPre=+/usr/bin/python3 /usr/local/lib/etcd-aws-cluster/etcd-aws-agent.pyz",
    ]
    files = [line.removeprefix("EnvironmentFile=") for line in unit if line.startswith("EnvironmentFile=")]
    assert files[:2] == ["/etc/etcd-aws-cluster/agent.env", "-/etc/sysconfig/etcd-peers"]
    # etcd of a removed member ends with 0.
    assert "Restart=on-failure" in unit
    assert "TimeoutStartSec=2400" in unit
    assert "RequiresMountsFor=/var/lib/etcd" in unit


@pytest.mark.parametrize(
    ("volume", "command"), [("ebs", "data-volume ebs 20"), ("instance-store", "data-volume instance-store 0")]
)
def test_a_data_volume_has_its_units(volume: str, command: str) -> None:
    files = read_files(rendered("flatcar", volume))
    assert f"ExecStart=/opt/etcd-aws-cluster/{command}\n" in files[f"{UNITS}etcd-data-volume.service"].text
    assert "Where=/var/lib/etcd\n" in files[f"{UNITS}var-lib-etcd.mount"].text
    # Only etcd asks for them.
    assert not files[f"{UNITS}var-lib-etcd.mount"].is_started
    assert not [path for path in read_files(rendered("flatcar")) if "data-volume" in path or path.endswith(".mount")]


def test_flatcar_runs_the_agent_in_its_image_and_does_not_reboot_by_itself() -> None:
    text = rendered("flatcar")
    unit = read_files(text)[f"{UNITS}etcd.service"].text
    (command,) = (line for line in unit.splitlines() if line.startswith("ExecStartPre=+/usr/bin/docker"))
    assert command.endswith(" etcd-aws-agent:installed")
    assert "After=network-online.target etcd-user.service docker.service\n" in unit
    masked = {unit["name"] for unit in json.loads(text)["systemd"]["units"] if unit.get("mask")}
    assert masked == {"locksmithd.service", "update-engine.service"}
    assert variables("flatcar", "setup")["AGENT"] == "s3://assets/agent-image.tar"


def test_a_given_checksum_goes_before_the_known_one() -> None:
    assert variables("", "setup", **{"etcd:etcd_sha256": "c" * 64})["ETCD_SHA256"] == "c" * 64


def test_an_address_that_a_shell_would_take_apart_is_quoted() -> None:
    address = "https://mirror.example.com/etcd.tar.gz?a=1&b=2"
    assert variables("", "setup", **{"etcd:etcd_url": address})["ETCD_URL"] == f"'{address}'"
