"""Real etcd with certificates on both ports, and with users: what the controller can do there, and nobody else."""

from __future__ import annotations

import dataclasses
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from etcd_aws_cluster.core.errors import NotSentError, RejectedError, Rejection
from etcd_aws_cluster.etcd.client import EtcdClient
from etcd_aws_cluster.etcd.login import Login, User
from etcd_aws_cluster.etcd.transport import Transport
from etcd_aws_cluster.pki.certificates import Subject, host
from tests.contract.worlds import Cluster, V2Client, World, a_newcomer, settled
from tests.pki import Pki
from tests.real_etcd import NotAtHandError, RealEtcd, eventually, find_binary

pytestmark = pytest.mark.real_etcd

SECOND = timedelta(seconds=1)
SPARE = "https://127.0.0.1:2380"
ROOT = User("root", "correct horse")

Tls = Callable[[], ssl.SSLContext]


def client(tls: Tls, *, kind: type[EtcdClient] = EtcdClient, user: User | None = None) -> EtcdClient:
    login = Login((lambda: user) if user else None)
    return kind(connect_timeout=SECOND, read_timeout=SECOND, tls=tls, login=login)


@dataclasses.dataclass
class Secured:
    """A cluster of one, which the tests of a version share."""

    pki: Pki
    etcd: RealEtcd
    version: str

    @property
    def endpoint(self) -> str:
        return self.etcd.endpoint("tls-1")

    @property
    def address(self) -> str:
        return str(urlsplit(self.endpoint).hostname)


@pytest.fixture(scope="module", params=["3.4", "3.5", "3.5.35", "3.6"])
def secured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    directory: Path = tmp_path_factory.mktemp(f"tls-{request.param}-")
    try:
        binary = find_binary(request.param)
    except NotAtHandError as error:
        pytest.skip(str(error))
    flags = ["--enable-v2"] if request.param < "3.6" else []
    pki = Pki(directory / "pki")
    etcd = RealEtcd(binary, directory, flags, tls=pki.member_flags)
    etcd.form(["tls-1"])
    secured = Secured(pki, etcd, request.param)
    with client(pki.identity()) as first:
        eventually(lambda: first.read(secured.endpoint).is_linearizable)
    yield secured
    etcd.close()


def test_the_whole_members_api_works_through_mutual_tls(secured: Secured) -> None:
    cluster = Cluster(World(client(secured.pki.identity()), secured.etcd), ["tls-1"])
    newcomer, api = a_newcomer(), cluster.world.api

    cluster.add(newcomer)
    cluster.start(newcomer)
    member = cluster.member(newcomer)
    settled(lambda: _not_yet(lambda: api.promote_member(cluster.endpoint, member.member_id)))
    eventually(lambda: cluster.read(newcomer).is_linearizable)
    reading = cluster.read(newcomer)
    leader = cluster.read("tls-1").leader_id
    assert leader is not None
    other = next(m.member_id for m in cluster.members().values() if m.member_id != leader)
    settled(lambda: api.move_leadership(_endpoint_of(cluster, leader), other))
    eventually(lambda: cluster.read("tls-1").leader_id == other)
    settled(lambda: api.remove_member(cluster.endpoint, member.member_id))

    assert reading.certificate_ends_at is not None
    assert {url.partition(":")[0] for url in (*member.peer_urls, *member.client_urls)} == {"https"}
    assert list(cluster.members()) == [secured.etcd.peer_url("tls-1")]
    secured.etcd.kill(newcomer)


def _not_yet(promote: Callable[[], None]) -> None:
    try:
        promote()
    except RejectedError as error:
        if error.rejection is Rejection.NOT_IN_SYNC:
            raise RejectedError(Rejection.TOO_SOON, str(error)) from error
        raise


def _endpoint_of(cluster: Cluster, member_id: int) -> str:
    return next(m.client_urls[0] for m in cluster.members().values() if m.member_id == member_id)


def test_the_v2_api_works_through_mutual_tls(secured: Secured) -> None:
    if secured.version == "3.6":
        pytest.skip("etcd 3.6 has no v2 API")
    reading = client(secured.pki.identity(), kind=V2Client).read(secured.endpoint)
    assert reading.problem == ""
    assert reading.is_linearizable
    assert reading.certificate_ends_at is not None


def refused(secured: Secured, tls: Tls) -> str:
    """Return why nothing can be read, and assert that a change is known not to have been sent."""
    with client(tls) as stranger:
        with pytest.raises(NotSentError):
            stranger.add_member(secured.endpoint, SPARE, as_learner=False)
        return stranger.read(secured.endpoint).problem


def test_members_take_each_other_as_peers_and_no_client_nor_who_is_called_otherwise(secured: Secured) -> None:
    pki, address = secured.pki, secured.address

    def status(files: tuple[str, str], port: int) -> int:
        context = pki.stranger()
        context.load_cert_chain(*files)
        with urllib.request.urlopen(f"https://{address}:{port}/version", timeout=5, context=context) as answer:
            return int(answer.status)

    member = host("i-0b", address)
    assert status(pki.files("peer", member), 2380) == 200
    strangers = [
        Subject(name="app"),
        Subject(organization="etcd-aws-controller"),
        dataclasses.replace(member, name="i-0b"),
    ]
    for number, stranger in enumerate(strangers):
        files = pki.files(f"stranger-{number}", stranger)
        assert status(files, 2379) == 200
        with pytest.raises((urllib.error.URLError, ConnectionError, ssl.SSLError)):
            status(files, 2380)


def test_a_client_without_a_certificate_is_refused(secured: Secured) -> None:
    assert "TLS: SSLError" in refused(secured, secured.pki.stranger)


def test_a_certificate_of_another_ca_is_refused(secured: Secured, tmp_path: Path) -> None:
    other = Pki(tmp_path)
    context = secured.pki.stranger()
    context.load_cert_chain(*other.files("client", host("i-0a", "127.0.0.1")))
    assert "TLS: " in refused(secured, lambda: context)


def test_a_server_of_another_ca_is_refused(secured: Secured, tmp_path: Path) -> None:
    assert "TLS: SSLCertVerificationError" in refused(secured, Pki(tmp_path).identity())


def test_a_server_whose_certificate_is_for_another_address_is_refused(secured: Secured, tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki")
    etcd = RealEtcd(
        secured.etcd.binary, tmp_path, secured.etcd.flags, tls=lambda name, _: pki.member_flags(name, "10.0.0.4")
    )
    try:
        etcd.form(["elsewhere"])
        with client(pki.identity()) as ours:
            problem = eventually(
                lambda: p if "Connection refused" not in (p := ours.read(etcd.endpoint("elsewhere")).problem) else ""
            )
    finally:
        etcd.close()
    assert "TLS: SSLCertVerificationError" in problem
    assert "IP address mismatch" in problem


def test_a_certificate_that_was_exchanged_is_shown_without_a_restart(secured: Secured) -> None:
    with client(secured.pki.identity()) as ours:
        before = ours.read(secured.endpoint).certificate_ends_at
    secured.pki.certify("tls-1", host("i-0a", secured.address), life=timedelta(hours=2))

    with client(secured.pki.identity()) as ours:
        after = ours.read(secured.endpoint).certificate_ends_at

    assert before is not None
    assert after is not None
    assert after > before + 3000


# Users


@pytest.fixture
def with_users(secured: Secured) -> Iterator[Secured]:
    """The cluster, asking for a user until the test is over."""
    transport = Transport(connect_timeout=SECOND, read_timeout=SECOND, tls=secured.pki.identity())
    name = {"name": ROOT.name, "user": ROOT.name, "password": ROOT.password, "role": "root"}
    for path in ("user/add", "role/add", "user/grant", "enable"):
        transport.send("POST", secured.endpoint, f"/v3/auth/{path}", name)
    transport.close()
    with client(secured.pki.identity()) as nobody, pytest.raises(RejectedError):  # so that this is not in vain
        nobody.add_member(secured.endpoint, SPARE, as_learner=True)
    yield secured
    body = {"name": ROOT.name, "password": ROOT.password}
    token = str(transport.send("POST", secured.endpoint, "/v3/auth/authenticate", body).json()["token"])  # type: ignore[index]
    answer = transport.send("POST", secured.endpoint, "/v3/auth/disable", {}, headers={"Authorization": token})
    transport.close()
    assert answer.status == 200, answer.excerpt


def test_with_the_right_password_everything_works(with_users: Secured) -> None:
    with client(with_users.pki.identity(), user=ROOT) as ours:
        reading = ours.read(with_users.endpoint)
        assert reading.problem == ""
        assert reading.is_linearizable
        settled(lambda: ours.add_member(with_users.endpoint, SPARE, as_learner=True))
        members = ours.read(with_users.endpoint).members
        assert members is not None
        (added,) = (m for m in members if m.peer_urls == (SPARE,))
        ours.remove_member(with_users.endpoint, added.member_id)


def test_a_learner_which_lets_nobody_log_in_is_read_and_promoted(with_users: Secured) -> None:
    newcomer = a_newcomer()
    with client(with_users.pki.identity(), user=ROOT) as ours:
        cluster = Cluster(World(ours, with_users.etcd), ["tls-1"])
        cluster.add(newcomer)
        cluster.start(newcomer)
        learner = eventually(lambda: r if not (r := cluster.read(newcomer)).problem else None)
        member = cluster.member(newcomer)
        settled(lambda: _not_yet(lambda: ours.promote_member(cluster.endpoint, member.member_id)))
        eventually(lambda: cluster.read(newcomer).is_linearizable)
        settled(lambda: ours.remove_member(cluster.endpoint, member.member_id))
    with_users.etcd.kill(newcomer)
    assert learner is not None
    assert (learner.is_learner, learner.member_id) == (True, member.member_id)


def test_a_learner_is_read_by_a_run_that_finds_it_there(with_users: Secured) -> None:
    newcomer = a_newcomer()
    with client(with_users.pki.identity(), user=ROOT) as earlier:
        cluster = Cluster(World(earlier, with_users.etcd), ["tls-1"])
        cluster.add(newcomer)
        cluster.start(newcomer)
        member = cluster.member(newcomer)
    with client(with_users.pki.identity(), user=ROOT) as ours:

        def problems() -> list[str]:
            return [ours.read(with_users.etcd.endpoint(each)).problem for each in (newcomer, "tls-1")]

        eventually(lambda: not any(problems()))
        settled(lambda: ours.remove_member(with_users.endpoint, member.member_id))
    with_users.etcd.kill(newcomer)


@pytest.mark.parametrize("user", [None, User("root", "wrong"), User("nobody", "x")], ids=["none", "wrong", "unknown"])
def test_without_it_nothing_is_changed_and_the_reason_is_plain(with_users: Secured, user: User | None) -> None:
    with client(with_users.pki.identity(), user=user) as ours:
        with pytest.raises(RejectedError) as refusal:
            ours.add_member(with_users.endpoint, SPARE, as_learner=True)
        assert refusal.value.rejection is Rejection.AUTHENTICATION


def test_with_users_the_gateway_turns_away_whoever_shows_a_common_name(with_users: Secured) -> None:
    """Which is why the controller's own certificate has none."""
    context = with_users.pki.stranger()
    context.load_cert_chain(*with_users.pki.files("named", Subject(name="controller")))
    with client(lambda: context, user=ROOT) as named:
        assert "CommonName of client sending a request against gateway" in named.read(with_users.endpoint).problem


def test_a_user_for_an_etcd_without_users_does_no_harm(secured: Secured) -> None:
    with client(secured.pki.identity(), user=ROOT) as ours:
        assert ours.read(secured.endpoint).is_linearizable
        settled(lambda: _add_and_remove(ours, secured.endpoint))


def _add_and_remove(ours: EtcdClient, endpoint: str) -> None:
    ours.add_member(endpoint, SPARE, as_learner=True)
    members = ours.read(endpoint).members
    assert members is not None
    ours.remove_member(endpoint, next(m.member_id for m in members if m.peer_urls == (SPARE,)))


# On the way from http to https


def test_members_that_speak_http_to_each_other_take_in_one_that_speaks_https(tmp_path: Path) -> None:
    """The first step gave all of them certificates for the peer port, though their URLs are http still."""
    names = ["a", "b", "c"]
    pki = Pki(tmp_path / "pki")
    etcd = RealEtcd(find_binary("3.5"), tmp_path, tls=pki.member_flags, plain_peers=names)
    try:
        etcd.form(names)
        api = client(pki.identity())
        endpoint = etcd.endpoint("a")
        eventually(lambda: api.read(endpoint).is_linearizable)
        settled(lambda: api.add_member(endpoint, etcd.peer_url("d"), as_learner=True))
        members = api.read(endpoint).members
        assert members is not None
        others = [(m.name, m.peer_urls[0]) for m in members if m.name]
        etcd.join("d", others)
        added = next(m for m in members if not m.name)
        settled(lambda: _not_yet(lambda: api.promote_member(endpoint, added.member_id)))
        eventually(lambda: api.read(etcd.endpoint("d")).is_linearizable)
        reading = api.read(etcd.endpoint("d"))
    finally:
        etcd.close()
    assert reading.members is not None
    assert sorted(m.peer_urls[0].partition(":")[0] for m in reading.members) == ["http", "http", "http", "https"]
