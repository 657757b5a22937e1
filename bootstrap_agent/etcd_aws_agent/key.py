"""The host's key and its certificate request, made by the `openssl` command: Python's library makes neither."""

from __future__ import annotations

import subprocess

from etcd_aws_agent.errors import OpensslError

_PATIENCE_S = 30.0
_REQUEST_FORM = "[req]\nprompt=no\ndistinguished_name=name\n[name]\nCN={name}\n"


def new_key() -> str:
    """Return a new private key (EC P-256, PEM).

    Raises:
        OpensslError: the command is missing or fails.
    """
    parameters = ("-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:named_curve")
    return _openssl(["genpkey", "-algorithm", "EC", *parameters], "", expected="PRIVATE KEY")


def new_request(key_path: str, name: str) -> str:
    """Return a certificate request (PEM) for a key in a file; `name` becomes its CN.

    Raises:
        OpensslError: the command is missing or fails, for example because the key is no key.
    """
    # Its own form: an image may have no openssl.cnf.
    command = ["req", "-new", "-sha256", "-config", "/dev/stdin", "-key", key_path, "-passin", "pass:"]
    return _openssl(command, _REQUEST_FORM.format(name=name), expected="CERTIFICATE REQUEST")


def _openssl(arguments: list[str], given: str, *, expected: str) -> str:
    what = f"openssl {arguments[0]}"
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, a path and an instance id
            ["openssl", *arguments],  # noqa: S607 - where it is differs between images
            input=given,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise OpensslError("the openssl command is not installed; ETCD_PKI=automatic needs it") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise OpensslError(f"{what} cannot be run: {error}") from error
    if done.returncode or f"-----BEGIN {expected}-----" not in done.stdout:
        said = " ".join(done.stderr.split())[-500:]
        raise OpensslError(f"{what} ended with {done.returncode} and no {expected}: {said}")
    return done.stdout
