"""What is asked of Secrets Manager, and what its answers mean: unreadable is never absent."""

from __future__ import annotations

import pytest

from etcd_aws_cluster.aws.secrets import SecretReader, SecretsManagerVault
from etcd_aws_cluster.core.errors import AwsError
from tests.unit.aws.stubs import SESSION, scripted

MANAGER, SSM = SESSION.client("secretsmanager"), SESSION.client("ssm")
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ca-AbCdEf"
VERSION = "certificate-authority-generation-0007"
VAULT = SecretsManagerVault(client=lambda: MANAGER, secret=ARN)
READER = SecretReader(secrets_manager=lambda: MANAGER, ssm=SSM)
ASKED = {"SecretId": ARN, "VersionId": VERSION}


def test_a_generation_is_the_version_that_is_named_after_it() -> None:
    with scripted(MANAGER) as answers:
        answers.add_response("get_secret_value", {"SecretString": "{}"}, ASKED)
        assert VAULT.read(7) == "{}"


def test_a_version_that_was_never_written_is_none() -> None:
    with scripted(MANAGER) as answers:
        answers.add_client_error("get_secret_value", "ResourceNotFoundException", expected_params=ASKED)
        assert VAULT.read(7) is None


@pytest.mark.parametrize(
    "code",
    ["AccessDeniedException", "DecryptionFailure", "InternalServiceError", "InvalidRequestException", "Throttling"],
)
def test_a_version_that_cannot_be_read_is_an_error(code: str) -> None:
    with scripted(MANAGER) as answers:
        answers.add_client_error("get_secret_value", code, "why")
        with pytest.raises(AwsError, match=f"GetSecretValue for generation 7 in {ARN} failed: {code}: why"):
            VAULT.read(7)


def test_a_generation_is_written_under_an_id_that_can_be_used_once_with_a_label_that_keeps_it() -> None:
    sent = {
        "SecretId": ARN,
        "SecretString": "{}",
        "ClientRequestToken": VERSION,
        "VersionStages": ["generation-7"],
    }
    with scripted(MANAGER) as answers:
        answers.add_response("put_secret_value", {"VersionId": VERSION}, sent)
        VAULT.create(7, "{}")


def test_a_generation_that_is_there_is_left_as_it_is() -> None:
    with scripted(MANAGER) as answers:
        answers.add_client_error("put_secret_value", "ResourceExistsException")
        VAULT.create(7, "{}")


def test_a_secret_that_is_not_there_at_all_is_not_taken_for_an_empty_one() -> None:
    with scripted(MANAGER) as answers:
        answers.add_client_error("put_secret_value", "ResourceNotFoundException", "no such secret")
        with pytest.raises(AwsError, match="no such secret"):
            VAULT.create(7, "{}")


def test_ids_are_as_long_as_secrets_manager_wants_them() -> None:
    with scripted(MANAGER) as answers:  # botocore checks their length
        for generation in (1, 999):
            answers.add_response("put_secret_value", {})
            VAULT.create(generation, "{}")


def test_a_source_is_a_secret_or_a_parameter_that_is_decrypted() -> None:
    with scripted(MANAGER) as secrets, scripted(SSM) as parameters:
        secrets.add_response("get_secret_value", {"SecretString": "a"}, {"SecretId": ARN})
        parameters.add_response(
            "get_parameter",
            {"Parameter": {"Name": "/tls/controller", "Value": "b"}},
            {"Name": "/tls/controller", "WithDecryption": True},
        )
        assert READER.read(ARN) == "a"
        assert READER.read("ssm:/tls/controller") == "b"


def test_a_binary_secret_and_one_that_cannot_be_read_are_errors() -> None:
    with scripted(MANAGER) as answers:
        answers.add_response("get_secret_value", {"SecretBinary": b"x"})
        answers.add_response("get_secret_value", {"SecretBinary": b"x"})
        answers.add_client_error("get_secret_value", "AccessDeniedException", "why")
        with pytest.raises(AwsError, match="is binary, expected text"):
            READER.read(ARN)
        with pytest.raises(AwsError, match="is binary, expected text"):
            VAULT.read(7)
        with pytest.raises(AwsError, match=f"GetSecretValue for {ARN} failed: AccessDeniedException"):
            READER.read(ARN)
