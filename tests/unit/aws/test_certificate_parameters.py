"""What is asked of Parameter Store about certificates, and what is made of its answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from etcd_aws_cluster.aws.certificate_parameters import SsmCertificateTray
from etcd_aws_cluster.core.certificates import Applicant, CertificateRequest
from etcd_aws_cluster.core.errors import AwsError
from tests.unit.aws.stubs import SESSION, scripted

SSM = SESSION.client("ssm")
PREFIX = "/etcd-aws-cluster/etcd"
REQUESTS = f"{PREFIX}/certificate-requests"
TRAY = SsmCertificateTray(ssm=SSM, prefix=PREFIX)
ASKED = CertificateRequest(name="i-0a", text="csr", version=3)


def parameter(name: str, value: str = "x", version: int = 1, **more: str) -> dict[str, Any]:
    return {"Name": name, "Type": "String", "Value": value, "Version": version, **more}


def test_requests_are_listed_to_the_last_page_and_by_their_last_part() -> None:
    first = {"Path": REQUESTS}
    with scripted(SSM) as answers:
        answers.add_response(
            "get_parameters_by_path",
            {"Parameters": [parameter(f"{REQUESTS}/i-0a", "csr", 3)], "NextToken": "more"},
            first,
        )
        answers.add_response(
            "get_parameters_by_path",
            {"Parameters": [parameter(f"{REQUESTS}/i-0b", "other")]},
            first | {"NextToken": "more"},
        )
        found = TRAY.requests(Applicant.HOST)

    assert found == [ASKED, CertificateRequest(name="i-0b", text="other", version=1)]


def test_clients_have_paths_of_their_own() -> None:
    with scripted(SSM) as answers:
        answers.add_response(
            "get_parameters_by_path", {"Parameters": []}, {"Path": f"{PREFIX}/client-certificate-requests"}
        )
        name = f"{PREFIX}/client-certificates/backup"
        answers.add_response("get_parameter", {"Parameter": parameter(name, "pem")}, {"Name": name})
        assert TRAY.requests(Applicant.CLIENT) == []
        assert TRAY.read_certificate(Applicant.CLIENT, "backup") == "pem"


def test_versions_are_read_with_their_own_writers_the_newest_first_whatever_the_order() -> None:
    name = f"{REQUESTS}/i-0a"
    versions = [
        parameter(name, "new", 3, LastModifiedUser="arn:new"),
        parameter(name, "old", 1, LastModifiedUser="arn:old"),
    ]
    later = [parameter(name, "middle", 2, LastModifiedUser="arn:middle")]
    with scripted(SSM) as answers:
        answers.add_response("get_parameter_history", {"Parameters": versions, "NextToken": "more"}, {"Name": name})
        answers.add_response("get_parameter_history", {"Parameters": later}, {"Name": name, "NextToken": "more"})
        found = TRAY.versions(Applicant.HOST, "i-0a")

    assert [(v.name, v.text, v.version, v.writer) for v in found] == [
        ("i-0a", "new", 3, "arn:new"),
        ("i-0a", "middle", 2, "arn:middle"),
        ("i-0a", "old", 1, "arn:old"),
    ]


def test_a_request_that_is_gone_meanwhile_has_no_versions() -> None:
    with scripted(SSM) as answers:
        answers.add_client_error("get_parameter_history", "ParameterNotFound")
        assert not TRAY.versions(Applicant.HOST, "i-0a")


def test_a_request_is_deleted_if_it_is_still_the_version_that_was_answered() -> None:
    name = f"{REQUESTS}/i-0a"
    with scripted(SSM) as answers:
        answers.add_response("get_parameter", {"Parameter": parameter(name, "csr", 3)}, {"Name": name})
        answers.add_response("delete_parameter", {}, {"Name": name})
        assert TRAY.withdraw(Applicant.HOST, ASKED)


def test_a_newer_request_is_left() -> None:
    name = f"{REQUESTS}/i-0a"
    with scripted(SSM) as answers:
        answers.add_response("get_parameter", {"Parameter": parameter(name, "newer", 4)}, {"Name": name})
        assert not TRAY.withdraw(Applicant.HOST, ASKED)


def test_a_request_or_certificate_that_somebody_else_deleted_is_gone_all_the_same() -> None:
    with scripted(SSM) as answers:
        answers.add_client_error("get_parameter", "ParameterNotFound")
        answers.add_client_error("delete_parameter", "ParameterNotFound")
        answers.add_client_error("delete_parameter", "ParameterNotFound")
        assert TRAY.withdraw(Applicant.HOST, ASKED)
        TRAY.delete_certificate(Applicant.HOST, "i-0a")


def test_bundle_and_certificates_are_written_over() -> None:
    with scripted(SSM) as answers:
        for name, value in ((f"{PREFIX}/ca-bundle", "cas"), (f"{PREFIX}/certificates/i-0a", "pem")):
            answers.add_response(
                "put_parameter",
                {"Version": 1},
                {"Name": name, "Value": value, "Type": "String", "Tier": "Standard", "Overwrite": True},
            )
        TRAY.write_bundle("cas")
        TRAY.write_certificate(Applicant.HOST, "i-0a", "pem")


def test_a_bundle_that_was_never_published_is_none_and_one_that_cannot_be_read_is_an_error() -> None:
    with scripted(SSM) as answers:
        answers.add_client_error("get_parameter", "ParameterNotFound")
        assert TRAY.read_bundle() is None
        answers.add_client_error("get_parameter", "ThrottlingException", "slow down")
        with pytest.raises(AwsError, match=f"GetParameter for {PREFIX}/ca-bundle failed: ThrottlingException"):
            TRAY.read_bundle()


def test_the_names_that_certificates_are_there_for_are_listed() -> None:
    path = f"{PREFIX}/certificates"
    found = {"Parameters": [parameter(f"{path}/i-0a") | {"LastModifiedDate": datetime(2024, 1, 1, tzinfo=UTC)}]}
    with scripted(SSM) as answers:
        answers.add_response("get_parameters_by_path", found, {"Path": path})
        assert TRAY.certified(Applicant.HOST) == {"i-0a": "x"}
