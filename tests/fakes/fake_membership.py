"""etcd without sockets: keeps state, and follows the rules that the contract suite shows real etcd to follow.

    etcd = FakeEtcd()
    etcd.form({"i-1": "http://10.0.0.1:2380", "i-2": "http://10.0.0.2:2380", "i-3": "http://10.0.0.3:2380"})
    etcd.add_member("http://10.0.0.1:2379", "http://10.0.0.4:2380", as_learner=True)
    etcd.start("i-4", "http://10.0.0.4:2380")
    etcd.catch_up("i-4")

A process is named after its instance; its endpoint is ``http://<host of its peer URL>:2379``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from etcd_aws_cluster.core.errors import EtcdError, NotSentError, OutcomeUnknownError, RejectedError, Rejection
from etcd_aws_cluster.core.model import Member, MemberId, Reading
from etcd_aws_cluster.core.ports import Clock
from tests.fakes.etcd_hosts import Cluster, EtcdHosts, Process, endpoint_of, id_of

HEALTH_INTERVAL_S = 5.0


class FakeEtcd(EtcdHosts):
    """Port ``MembershipApi``, with as many clusters as are formed.

    Args:
        version: 2.x has no learners and hardly gives reasons; before 3.4 there are no learners.
        clock: With one, changes are refused until all have been connected for 5 s, and ids depend on the second.
        catches_up_at_once: A joiner needs no ``catch_up``.
        notices_hung: Whether a hung member stops being counted as connected; by default, as the version does.

    Attributes:
        changes: Every change that took effect, in order.
    """

    def __init__(
        self,
        *,
        version: str = "3.5.1",
        clock: Clock | None = None,
        catches_up_at_once: bool = False,
        notices_hung: bool | None = None,
    ) -> None:
        super().__init__(
            clock=clock,
            catches_up_at_once=catches_up_at_once,
            notices_hung=version < "3.5" if notices_hung is None else notices_hung,
        )
        self.version = version
        self.changes: list[str] = []
        self._is_v2 = version.startswith("2.")
        self._supports_learners = not version.startswith(("2.", "3.0.", "3.1.", "3.2.", "3.3."))
        self._serial = 0
        self._failures: dict[str, list[bool]] = {}

    def fail_next(self, call: str, *, after_applying: bool = False) -> None:
        """Lose the answer of the next ``call``, a method of the port, with or without its effect."""
        self._failures.setdefault(call, []).append(after_applying)

    def read(self, endpoint: str) -> Reading:
        """Answer like one member."""
        try:
            process, cluster = self._reach(endpoint)
            if self._takes_failure("read") is not None:
                raise OutcomeUnknownError(f"{endpoint}: the answer was lost")
        except EtcdError as error:
            return Reading(endpoint=endpoint, problem=str(error))
        member = cluster.members.get(process.member_id)
        is_learner = member is not None and member.is_learner
        is_led = process.is_connected and cluster.leader_id is not None
        has_list = is_led and process.is_caught_up and member is not None and not is_learner
        listed = tuple(cluster.members[i] for i in sorted(cluster.members))
        return Reading(
            endpoint=endpoint,
            cluster_id=cluster.cluster_id,
            member_id=process.member_id,
            leader_id=cluster.leader_id if is_led else None,
            raft_index=process.applied_index,
            is_learner=is_learner,
            members=listed if has_list else None,
            unproven_members=None if has_list or self._supports_learners or member is None else listed,
            supports_learners=self._supports_learners,
            version=self.version,
            problem="" if has_list or is_learner else "it cannot serve a linearizable read",
        )

    def add_member(self, endpoint: str, peer_url: str, *, as_learner: bool) -> None:
        """Add a member; see the port."""
        process, cluster = self._reach_voter(endpoint)
        if as_learner and not self._supports_learners:
            raise RejectedError(Rejection.OTHER, f"etcd {self.version} has no learners")
        voters = cluster.voters
        started = sum(v.name != "" for v in voters)
        is_second = started == 1 and len(voters) == 1
        if not as_learner and not is_second and started < (len(voters) + 1) // 2 + 1:
            raise self._refusal(Rejection.NOT_ENOUGH_STARTED)
        # 3.6 wants a quorum of the voters after the addition (learner or not), the others all of those before.
        wanted = (len(voters) + 1) // 2 + 1 if self.version >= "3.6" and len(voters) > 1 else len(voters)
        if self._connected_to(process, cluster) < wanted:
            raise self._refusal(Rejection.UNHEALTHY_CLUSTER)
        member_id = self._new_id(cluster, peer_url)
        member = Member(member_id=member_id, name="", peer_urls=(peer_url,), is_learner=as_learner)

        def apply() -> bool:
            if member_id in cluster.removed:
                raise self._refusal(Rejection.TOO_SOON)
            if any(m.member_id == member_id or peer_url in m.peer_urls for m in cluster.members.values()):
                raise RejectedError(Rejection.ALREADY_EXISTS, peer_url)
            if as_learner and any(m.is_learner for m in cluster.members.values()):
                raise RejectedError(Rejection.TOO_MANY_LEARNERS, peer_url)
            cluster.members[member_id] = member
            return True

        self._commit("add_member", process, apply, str(member))

    def promote_member(self, endpoint: str, member_id: MemberId) -> None:
        """Make a learner a voter; see the port."""
        process, cluster = self._reach_voter(endpoint)
        if not self._supports_learners:
            raise RejectedError(Rejection.OTHER, f"etcd {self.version} has no learners")

        def apply() -> bool:
            member = cluster.members.get(member_id)
            if member_id in cluster.removed and process.member_id != cluster.leader_id and self.version < "3.6":
                # It asks the leader again and again: of a removed id, "not found" is an error that it does not know.
                raise OutcomeUnknownError(f"{member_id:x} was removed")
            if member is None:
                raise RejectedError(Rejection.OTHER, f"{member_id:x} is not a member")
            if not member.is_learner:
                return False
            if member_id not in cluster.in_sync:
                raise RejectedError(Rejection.NOT_IN_SYNC, str(member))
            voters = cluster.voters
            if sum(v.name != "" for v in voters) + 1 < (len(voters) + 1) // 2 + 1:
                raise RejectedError(Rejection.NOT_ENOUGH_STARTED, str(member))
            cluster.members[member_id] = replace(member, is_learner=False)
            return True

        self._commit("promote_member", process, apply, f"{member_id:x}")

    def remove_member(self, endpoint: str, member_id: MemberId) -> None:
        """Remove a member; see the port."""
        process, cluster = self._reach_voter(endpoint)
        member = cluster.members.get(member_id)
        if member is None or not member.is_learner:
            self._check_removal(process, cluster, member_id)

        def apply() -> bool:
            if cluster.members.pop(member_id, None) is None:
                return False
            cluster.removed.add(member_id)
            return True

        self._commit("remove_member", process, apply, f"{member_id:x}")

    def move_leadership(self, endpoint: str, target: MemberId) -> None:
        """Hand leadership over; see the port."""
        process, cluster = self._reach_voter(endpoint)
        if self._is_v2:
            raise RejectedError(Rejection.OTHER, f"etcd {self.version} has no such call")
        if cluster.leader_id != process.member_id:
            raise RejectedError(Rejection.NOT_LEADER, endpoint)
        if target not in {v.member_id for v in cluster.voters}:
            raise RejectedError(Rejection.BAD_TRANSFEREE, f"{target:x}")

        def apply() -> bool:
            if target not in self._acting(cluster):
                raise OutcomeUnknownError(f"{target:x} does not take over")
            self.lead(cluster, target)
            return True

        self._commit("move_leadership", process, apply, f"{target:x}")

    def _new_id(self, cluster: Cluster, peer_url: str) -> MemberId:
        self._serial += 1
        return MemberId(id_of(cluster.token, peer_url, str(int(self._now()) if self._clock else self._serial)))

    def _refusal(self, rejection: Rejection) -> RejectedError:
        # The v2 API answers all of these with a bare 500.
        return RejectedError(Rejection.UNHEALTHY_CLUSTER if self._is_v2 else rejection, "refused by the fake")

    def _reach(self, endpoint: str) -> tuple[Process, Cluster]:
        here = [p for p in self.processes.values() if endpoint_of(p.peer_url) == endpoint and p.is_running]
        if not here or here[0].is_unreachable or here[0].cluster is None:
            raise NotSentError(f"{endpoint}: connection refused")
        if here[0].is_hung or not here[0].is_ready:
            raise OutcomeUnknownError(f"{endpoint}: no answer")
        return here[0], here[0].cluster

    def _reach_voter(self, endpoint: str) -> tuple[Process, Cluster]:
        process, cluster = self._reach(endpoint)
        member = cluster.members.get(process.member_id)
        if member is not None and member.is_learner:
            raise RejectedError(Rejection.OTHER, "rpc not supported for learner")
        return process, cluster

    def _connected_to(self, process: Process, cluster: Cluster) -> int:
        """Return how many voters the process has been connected to for long enough, itself included."""
        now, wait_s = self._now(), HEALTH_INTERVAL_S if self._clock else 0.0
        return sum(
            v.member_id == process.member_id
            or (
                (other := self._process_of(cluster, v.member_id)) is not None
                and self.hears(process, other)
                and now - max(other.connected_at, process.connected_at) >= wait_s
            )
            for v in cluster.voters
        )

    def _check_removal(self, process: Process, cluster: Cluster, member_id: MemberId) -> None:
        voters = cluster.voters
        left = [v for v in voters if v.member_id != member_id]
        if sum(v.name != "" for v in left) < len(left) // 2 + 1:
            raise self._refusal(Rejection.NOT_ENOUGH_STARTED)
        other = self._process_of(cluster, member_id)
        is_down = other is None or not self.hears(process, other)
        if member_id != process.member_id and is_down:
            return  # it is no part of the quorum
        if self._connected_to(process, cluster) - 1 < 1 + (len(voters) - 1) // 2:
            raise self._refusal(Rejection.UNHEALTHY_CLUSTER)

    def _takes_failure(self, call: str) -> bool | None:
        """Return whether a failure that waits for ``call`` strikes after applying; None without one."""
        waiting = self._failures.get(call)
        return waiting.pop(0) if waiting else None

    def _commit(self, call: str, process: Process, apply: Callable[[], bool], what: str) -> None:
        after_applying = self._takes_failure(call)
        cluster = process.cluster
        if after_applying is False:
            raise OutcomeUnknownError(f"{call}: lost on the way")
        if cluster is None or cluster.leader_id is None or not process.is_connected:
            raise OutcomeUnknownError(f"{call}: no quorum answered in time")
        if apply():
            self.changes.append(f"{call} {what}")
        cluster.index += 1
        self._settle()
        if after_applying:
            raise OutcomeUnknownError(f"{call}: the answer was lost")
