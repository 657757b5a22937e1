"""Every file that a host gets, the same for all systems but for where programs are and how the agent runs."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from string import Template

from infra.etcd_releases import ARM64_SINCE, known_sha256, release
from infra.names import AGENT_FILE
from infra.settings import Settings

_FILES = Path(__file__).with_name("files")
_SETTINGS = "/etc/etcd-aws-cluster"
_UNITS = "/etc/systemd/system/"
_PKI = "/etc/etcd/pki"


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """What is known at deploy only. None of it may hold anything but letters, digits and ``.:/-``.

    Attributes:
        region: the region's name.
        url_suffix: domain of its services.
        agent_url: s3:// address of the agent's file.
    """

    region: str
    url_suffix: str
    agent_url: str

    def fill_in(self, text: str) -> str:
        """Replace the words that stand for these; no encoding touches letters, digits and underscores."""
        for field in dataclasses.fields(self):
            text = text.replace(_word(field.name), getattr(self, field.name))
        return text


def _word(name: str) -> str:
    return f"__{name.upper()}__"


@dataclass(frozen=True, kw_only=True)
class HostFile:
    """A file of root's, for everybody to read.

    Attributes:
        path: where it is.
        text: what is in it; ends with a line feed.
        is_program: whether it can be run.
        is_started: a unit that is enabled and started.
    """

    path: str
    text: str
    is_program: bool = False
    is_started: bool = False

    @property
    def unit(self) -> str:
        """The name of a systemd unit, or nothing."""
        return self.path.removeprefix(_UNITS) if self.path.startswith(_UNITS) else ""


class _FileTemplate(Template):
    """Fields are written ``@{name}``: the dollar sign belongs to the shell."""

    delimiter = "@"


def etcd_url(settings: Settings, architecture: str) -> str:
    """Address of the etcd archive for a processor (amd64, arm64)."""
    return settings.etcd.etcd_url.format(version=settings.etcd.etcd_version, architecture=architecture)


def host_files(settings: Settings, *, architecture: str) -> tuple[HostFile, ...]:
    """Return the files for a processor, with words in place of what :class:`Unknown` knows."""
    library, programs = _places(settings)
    # etcd and certificates wait for what the agent runs in.
    wants = " docker.service" if _runs_in_container(settings) else ""
    fields = {
        "agent": _agent_command(settings),
        "cluster_name": settings.cluster_name,
        "library": library,
        "programs": programs,
        "wants": wants,
        # The agent's wait, and then etcd's own until its cluster has a quorum.
        "start_timeout_s": settings.members.agent_deadline_s + settings.timing.formation_timeout_s,
        "kind": settings.volumes.data_volume,
        "gib": settings.volumes.data_volume_gib if settings.volumes.data_volume == "ebs" else 0,
    }

    def unit(name: str, *, is_started: bool = False) -> HostFile:
        plain = _FILES / name
        text = plain.read_text("utf-8") if plain.exists() else _FileTemplate(_template(name)).substitute(fields)
        return HostFile(path=_UNITS + name, text=text, is_started=is_started)

    files = [
        HostFile(path=f"{_SETTINGS}/agent.env", text=_environment_file(agent_environment(settings, architecture))),
        HostFile(path=f"{_SETTINGS}/setup.env", text=_environment_file(_setup_environment(settings, architecture))),
        HostFile(path=f"{library}/setup", text=_program("setup.sh"), is_program=True),
        unit("etcd-user.service"),
        unit("etcd.service", is_started=True),
    ]
    if settings.volumes.data_volume != "root":
        files += [
            HostFile(path=f"{library}/data-volume", text=_program("data-volume.sh"), is_program=True),
            unit("etcd-data-volume.service"),
            unit("var-lib-etcd.mount"),
        ]
    if settings.uses_tls:
        files += [unit("etcd-certificates.service"), unit("etcd-certificates.timer", is_started=True)]
    return tuple(files)


def agent_environment(settings: Settings, architecture: str) -> dict[str, str | int]:
    """The variables of agent and etcd: both units load them (docs/agent.md)."""
    etcd, tls = settings.etcd, settings.tls
    variables: dict[str, str | int] = {
        "CLUSTER_NAME": settings.cluster_name,
        "ETCD_CLIENT_SCHEME": etcd.etcd_client_scheme,
        "ETCD_PEER_SCHEME": etcd.etcd_peer_scheme,
        "ETCD_CLIENT_PORT": etcd.etcd_client_port,
        "ETCD_SERVER_PORT": etcd.etcd_server_port,
        "ETCD_QUOTA_BACKEND_BYTES": etcd.quota_bytes,
        "ETCD_DATA_DIR": "/var/lib/etcd/data",
        "ETCD_PEERS_FILE": "/etc/sysconfig/etcd-peers",
        "AGENT_DEADLINE_S": settings.members.agent_deadline_s,
        "AWS_REGION": _word("region"),
    }
    if architecture == "arm64" and release(etcd.etcd_version) < ARM64_SINCE:
        variables["ETCD_UNSUPPORTED_ARCH"] = architecture
    if settings.uses_tls:
        variables |= {"ETCD_PKI": tls.pki, "ETCD_PKI_DIR": _PKI, "ETCD_USER": "etcd"}
        if tls.host_tls_source:
            variables["HOST_TLS_SOURCE"] = tls.host_tls_source
        if tls.tls_transition:
            variables["ETCD_TLS_TRANSITION"] = "on"
        if tls.pki == "automatic" and tls.peer_cn_check:
            variables["ETCD_PEER_CN_CHECK"] = "on"
    return variables


def _setup_environment(settings: Settings, architecture: str) -> dict[str, str | int]:
    library, programs = _places(settings)
    etcd = settings.etcd
    return {
        "LIBRARY": library,
        "PROGRAMS": programs,
        "PKI_DIRECTORY": _PKI if settings.uses_tls else "",
        "ETCD_URL": f"'{etcd_url(settings, architecture)}'",
        "ETCD_SHA256": etcd.etcd_sha256 or known_sha256(etcd.etcd_version)[architecture],
        "AGENT_KIND": "image" if _runs_in_container(settings) else "file",
        "AGENT": settings.members.agent_image if _runs_in_container(settings) else _word("agent_url"),
        "AWS_REGION": _word("region"),
        "AWS_URL_SUFFIX": _word("url_suffix"),
    }


def _runs_in_container(settings: Settings) -> bool:
    """Whether the agent does: Flatcar has no Python."""
    return settings.members.operating_system == "flatcar"


def _places(settings: Settings) -> tuple[str, str]:
    """Where the project's own files and etcd's programs are; on Flatcar /usr cannot be written."""
    if settings.members.operating_system == "flatcar":
        return "/opt/etcd-aws-cluster", "/opt/bin"
    return "/usr/local/lib/etcd-aws-cluster", "/usr/local/bin"


def _agent_command(settings: Settings) -> str:
    if not _runs_in_container(settings):
        return f"/usr/bin/python3 {_places(settings)[0]}/{AGENT_FILE}"
    # The host's users, for the certificates' owner; the data directory, for what is in it says what to do.
    volumes = ("/etc/sysconfig", "/etc/etcd", "/var/lib/etcd", "/etc/passwd:/etc/passwd:ro", "/etc/group:/etc/group:ro")
    mounts = " ".join(f"-v {volume if ':' in volume else f'{volume}:{volume}'}" for volume in volumes)
    rights = "--cap-drop ALL --cap-add DAC_OVERRIDE --cap-add CHOWN --cap-add FOWNER --security-opt no-new-privileges"
    run = "/usr/bin/docker run --rm --network host --read-only --tmpfs /tmp"
    return f"{run} {rights} --env-file {_SETTINGS}/agent.env {mounts} etcd-aws-agent:installed"


def _template(name: str) -> str:
    return (_FILES / f"{name}.tmpl").read_text("utf-8")


def _program(name: str) -> str:
    return (_FILES / name).read_text("utf-8")


def _environment_file(variables: dict[str, str | int]) -> str:
    return "".join(f"{name}={value}\n" for name, value in variables.items())
