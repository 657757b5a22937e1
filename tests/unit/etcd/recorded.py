"""What real etcd 3.4.23 and 3.5.1 answered: three members, and a learner n4 where it says so."""

from __future__ import annotations

CLUSTER_ID = 3771661650538074351
N1, N2, N3, N4 = 6970995550812105625, 7184023966002173447, 4781286143158130959, 3287944233184415370

VERSION_3_4 = '{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}'
VERSION_3_5 = '{"etcdserver":"3.5.1","etcdcluster":"3.5.0"}'

HEADER_N1 = f'"header":{{"cluster_id":"{CLUSTER_ID}","member_id":"{N1}","raft_term":"2"}}'
_N1 = f'{{"ID":"{N1}","name":"n1","peerURLs":["http://127.0.20.11:2380"],"clientURLs":["http://127.0.20.11:2379"]}}'
_N2 = f'{{"ID":"{N2}","name":"n2","peerURLs":["http://127.0.20.12:2380"],"clientURLs":["http://127.0.20.12:2379"]}}'
_N3 = f'{{"ID":"{N3}","name":"n3","peerURLs":["http://127.0.20.13:2380"],"clientURLs":["http://127.0.20.13:2379"]}}'
_N4 = f'{{"ID":"{N4}","peerURLs":["http://127.0.20.14:2380"],"isLearner":true}}'

MEMBERS = f'{{{HEADER_N1},"members":[{_N3},{_N1},{_N2}]}}'
MEMBERS_WITH_UNSTARTED_LEARNER = f'{{{HEADER_N1},"members":[{_N4},{_N3},{_N1},{_N2}]}}'
ADDED_LEARNER = f'{{{HEADER_N1},"member":{_N4},"members":[{_N4},{_N3},{_N1},{_N2}]}}'
RANGE = f"{{{HEADER_N1}}}"
STATUS = (
    f'{{"header":{{"cluster_id":"{CLUSTER_ID}","member_id":"{N1}","revision":"1","raft_term":"2"}},'
    f'"version":"3.5.1","dbSize":"20480","leader":"{N3}","raftIndex":"17","raftTerm":"2","raftAppliedIndex":"16",'
    '"dbSizeInUse":"16384"}'
)
STATUS_3_4 = STATUS.replace("3.5.1", "3.4.23")
STATUS_WITHOUT_LEADER = (
    f'{{"header":{{"cluster_id":"{CLUSTER_ID}","member_id":"{N1}","revision":"2","raft_term":"2"}},'
    '"version":"3.5.1","dbSize":"20480","raftIndex":"12","raftTerm":"2","raftAppliedIndex":"12",'
    '"errors":["etcdserver: no leader"],"dbSizeInUse":"16384"}'
)
STATUS_OF_LEARNER = (
    f'{{"header":{{"cluster_id":"{CLUSTER_ID}","member_id":"{N4}","revision":"2","raft_term":"2"}},'
    f'"version":"3.4.23","dbSize":"20480","leader":"{N1}","raftIndex":"34","raftTerm":"2","raftAppliedIndex":"34",'
    '"dbSizeInUse":"20480","isLearner":true}'
)

V2_SELF = (
    '{"name":"n1","id":"60bdf38500fbeb99","state":"StateFollower","startTime":"2026-11-22T10:22:53.648644393Z",'
    '"leaderInfo":{"leader":"425a8a6a3470190f","uptime":"6.013084021s",'
    '"startTime":"2026-11-22T10:22:53.707255881Z"},"recvAppendRequestCnt":13,"sendAppendRequestCnt":0}'
)
V2_MEMBERS = (
    '{"members":['
    '{"id":"425a8a6a3470190f","name":"n3","peerURLs":["http://127.0.20.13:2380"],'
    '"clientURLs":["http://127.0.20.13:2379"]},'
    '{"id":"5e852d4207132159","name":"","peerURLs":["http://127.0.20.14:2380"],"clientURLs":[]},'
    '{"id":"60bdf38500fbeb99","name":"n1","peerURLs":["http://127.0.20.11:2380"],'
    '"clientURLs":["http://127.0.20.11:2379"]}]}'
)
V2_LEADER = (
    '{"id":"425a8a6a3470190f","name":"n3","peerURLs":["http://127.0.20.13:2380"],'
    '"clientURLs":["http://127.0.20.13:2379"]}'
)
V2_DURING_ELECTION = '{"message":"During election"}'
V2_CLUSTER_ID = "3457a249bd4910ef"


def refusal_3_4(message: str, code: int) -> str:
    """Return an error body as 3.4 writes it."""
    return f'{{"error":"{message}","message":"{message}","code":{code}}}'


def refusal_3_5(message: str, code: int) -> str:
    """Return an error body as 3.5 writes it."""
    return f'{{"error":"{message}","code":{code},"message":"{message}"}}'


def refusal_3_6(message: str, code: int) -> str:
    """Return an error body as 3.6's gateway writes it."""
    return f'{{"code":{code},"message":"{message}","details":[]}}'
