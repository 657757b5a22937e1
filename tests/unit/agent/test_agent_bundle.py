"""The bundle as a host runs it: one file, the host's Python, nothing installed."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import stat
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap_agent.build import build
from tests.unit.agent.conftest import Host
from tests.unit.agent.fake_aws import INSTANCE, FakeAws, Server, parameter
from tests.unit.agent.fake_pki import ANSWER, PkiAws
from tests.unit.agent.interpreters import VERSIONS, python
from tests.unit.agent.records import a_record, an_entry, two_others

LISTED = parameter(a_record(an_entry(), *two_others()))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("built") / "etcd-aws-agent.pyz")


@pytest.fixture
def bundle(built: Path, tmp_path: Path) -> Path:
    """The bundle in a folder of its own, as it comes from a download."""
    folder = tmp_path / "opt"
    folder.mkdir()
    return Path(shutil.copy(built, folder))


@pytest.fixture(params=VERSIONS)
def interpreter(request: pytest.FixtureRequest) -> str:
    found = python(request.param)
    if found is None:
        pytest.skip(f"not run: no Python {request.param} on this machine")
    return found


@pytest.fixture(scope="module")
def any_interpreter() -> str:
    return next(found for version in VERSIONS if (found := python(version)))


def environment(host: Host) -> dict[str, str]:
    return {**host.env, "PATH": os.environ["PATH"]}


def run(interpreter: str, bundle: Path, host: Host, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [interpreter, str(bundle), *arguments]
    return subprocess.run(command, env=environment(host), capture_output=True, text=True, check=False, timeout=60)


def unpacked(bundle: Path) -> list[Path]:
    return [path for path in bundle.parent.iterdir() if path != bundle]


def test_it_writes_the_file_on_its_first_start_and_on_the_next(
    interpreter: str, bundle: Path, host: Host, aws: FakeAws
) -> None:
    aws.ssm = [LISTED]

    first = run(interpreter, bundle, host)
    folder = unpacked(bundle)
    host.peers_file.unlink()
    second = run(interpreter, bundle, host)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert host.values()["ETCD_NAME"] == INSTANCE
    assert len(folder) == 1
    assert unpacked(bundle) == folder


def test_it_finds_a_group_by_its_tag(interpreter: str, bundle: Path, host: Host) -> None:
    host.env.update(PROXY_ASG="nobody has this", ASG_BY_TAG="1")

    done = run(interpreter, bundle, host)

    assert done.returncode == 4
    assert "no group found" in done.stderr


def test_what_it_prints_arrives_though_it_ends_without_tidying_up(
    interpreter: str, bundle: Path, host: Host, aws: FakeAws
) -> None:
    aws.ssm = [LISTED]
    run(interpreter, bundle, host)

    done = run(interpreter, bundle, host, "--dry-run")

    assert done.returncode == 0
    assert done.stdout == host.peers_file.read_text()
    assert "would=write" in done.stderr


def test_its_help_tells_variables_and_exit_codes(interpreter: str, bundle: Path, host: Host) -> None:
    done = run(interpreter, bundle, host, "--help")

    assert done.returncode == 0
    assert all(word in done.stdout for word in ("CLUSTER_NAME", "PROXY_ASG", "--dry-run", "exit codes:", "  18  "))


def test_everybody_may_read_what_is_unpacked_and_only_the_owner_may_write(
    any_interpreter: str, bundle: Path, host: Host
) -> None:
    old_umask = os.umask(0o022)
    try:
        run(any_interpreter, bundle, host, "--help")
    finally:
        os.umask(old_umask)

    (folder,) = unpacked(bundle)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
    assert modes == {0o755, 0o644}


def test_many_first_starts_at_once_all_succeed_and_leave_one_folder(
    any_interpreter: str, bundle: Path, host: Host
) -> None:
    command = [any_interpreter, str(bundle), "--help"]
    started = [
        subprocess.Popen(command, env=environment(host), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(4)
    ]

    for process in started:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert len(unpacked(bundle)) == 1


def test_a_start_that_died_while_unpacking_does_no_harm(any_interpreter: str, bundle: Path, host: Host) -> None:
    (bundle.parent / ".unpacking-dead" / "lib").mkdir(parents=True)

    assert run(any_interpreter, bundle, host, "--help").returncode == 0


def test_where_it_cannot_unpack_beside_itself_it_runs_all_the_same(
    any_interpreter: str, bundle: Path, host: Host, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    host.env["TMPDIR"] = str(scratch)
    # Even root cannot make a folder in /proc, where the archive then seems to be.
    with bundle.open("rb") as file:
        done = subprocess.run(
            [any_interpreter, f"/proc/self/fd/{file.fileno()}", "--help"],
            env=environment(host),
            pass_fds=[file.fileno()],
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    assert list(scratch.iterdir()) == []


def test_a_proxy_that_is_told_to_stop_stops_well(any_interpreter: str, bundle: Path, host: Host, aws: FakeAws) -> None:
    aws.ssm = [LISTED]
    host.env["PROXY_ASG"] = "etcd"
    process = subprocess.Popen(
        [any_interpreter, str(bundle), "--watch", "3600"], env=environment(host), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    with process, process.stderr:
        assert "event=write" in process.stderr.readline()
        assert "event=watching" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=30) == 0
    assert host.values()["ETCD_PROXY"] == "on"


def test_the_same_sources_give_the_same_bytes(built: Path, tmp_path: Path) -> None:
    assert build(tmp_path / "deeper" / "again.pyz").read_bytes() == built.read_bytes()


def test_it_carries_no_compiled_code_and_no_service_models(built: Path) -> None:
    names = zipfile.ZipFile(built).namelist()

    assert [name for name in names if name.startswith("lib/botocore/data/")] == ["lib/botocore/data/partitions.json"]
    assert not [name for name in names if name.endswith((".pyc", ".so"))]
    assert any("LICENSE" in name for name in names)


@pytest.fixture
def tls_aws(aws: FakeAws, tmp_path: Path) -> Iterator[Path]:
    """Serve the same AWS over TLS as well; returns the certificate, which nobody knows."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("not run: no openssl to make a certificate with")
    certificate, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([openssl, *request, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    plain_url = aws.url
    server = Server(aws, tls=context)
    aws.url, aws.tls_url = plain_url, aws.url
    yield certificate
    server.close()


def test_over_tls_an_unknown_certificate_is_refused_and_a_known_one_is_not(
    interpreter: str, bundle: Path, host: Host, aws: FakeAws, tls_aws: Path
) -> None:
    aws.ssm = [LISTED]
    host.env.update(AWS_ENDPOINT_URL_SSM=aws.tls_url, AGENT_DEADLINE_S="0.3")

    unknown = run(interpreter, bundle, host)
    host.env["AWS_CA_BUNDLE"] = str(tls_aws)
    known = run(interpreter, bundle, host)

    assert unknown.returncode == 13
    assert "certificate verify failed" in unknown.stderr.lower()
    assert known.returncode == 0, known.stderr


def test_it_gets_a_certificate_from_the_controller_and_finds_nothing_to_renew(
    interpreter: str, bundle: Path, host: Host
) -> None:
    aws = PkiAws()
    server = Server(aws)
    host.env.update(ETCD_PKI="automatic", ETCD_PKI_DIR=str(host.root / "pki"), AGENT_DEADLINE_S="30")
    host.env.update(AWS_ENDPOINT_URL=aws.url, AWS_EC2_METADATA_SERVICE_ENDPOINT=aws.url)

    first = run(interpreter, bundle, host)
    again = run(interpreter, bundle, host, "--renew")
    server.close()

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert (host.root / "pki" / "host.crt").read_text() == aws.parameters[ANSWER]
    assert "the certificate on the disk is good" in again.stderr
    assert len(aws.puts()) == 1
