"""Every kind of host that there is: system, place of the data, with certificates or without."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
from typing import Any
from urllib.parse import unquote

import yaml

from infra.settings import Settings
from infra.user_data import HostFile, Unknown

SYSTEMS: dict[str, dict[str, str]] = {
    "amazon-linux-2023": {},
    "ubuntu": {"etcd:operating_system": "ubuntu"},
    "flatcar": {
        "etcd:operating_system": "flatcar",
        "etcd:ami_id": "ami-01234567",
        "etcd:agent_image": "s3://assets/agent-image.tar",
    },
}
VOLUMES: dict[str, dict[str, str]] = {
    "root": {},
    "ebs": {"etcd:data_volume": "ebs"},
    "instance-store": {"etcd:data_volume": "instance-store", "etcd:instance_type": "m7gd.medium"},
}
SCHEMES: dict[str, dict[str, str]] = {
    "http": {"etcd:etcd_client_scheme": "http", "etcd:etcd_peer_scheme": "http"},
    "https": {},
}
KINDS = list(itertools.product(SYSTEMS, VOLUMES, SCHEMES))
UNKNOWN = Unknown(
    region="ap-southeast-1",
    url_suffix="amazonaws.com.cn",
    agent_url=f"s3://cdk-hnb659fds-assets-111122223333-ap-southeast-1/{'0' * 64}.pyz",
)


def settings_of(system: str, volume: str, scheme: str) -> Settings:
    """The settings of a kind."""
    return Settings.from_context(SYSTEMS[system] | VOLUMES[volume] | SCHEMES[scheme])


def read_files(user_data: str) -> dict[str, HostFile]:
    """What user data would write, by path, as cloud-init or Ignition read it."""
    if user_data.startswith("#cloud-config\n"):
        return _read_cloud_config(yaml.safe_load(user_data))
    return _read_ignition(json.loads(user_data))


def _read_cloud_config(config: dict[str, Any]) -> dict[str, HostFile]:
    started = next(command[4:] for command in config["runcmd"] if command[1] == "enable")
    return {
        file["path"]: HostFile(
            path=file["path"],
            text=file["content"],
            is_program=file["permissions"] == "0755",
            is_started=file["path"].rpartition("/")[2] in started,
        )
        for file in config["write_files"]
    }


def _read_ignition(config: dict[str, Any]) -> dict[str, HostFile]:
    files = [
        HostFile(path=file["path"], text=_text(file["contents"]), is_program=file["mode"] == 0o755)
        for file in config["storage"]["files"]
    ]
    units = [
        HostFile(
            path=f"/etc/systemd/system/{unit['name']}", text=unit["contents"], is_started=unit.get("enabled", False)
        )
        for unit in config["systemd"]["units"]
        if not unit.get("mask")
    ]
    return {file.path: file for file in (*files, *units)}


def _text(contents: dict[str, str]) -> str:
    head, _, data = contents["source"].partition(",")
    raw = base64.b64decode(data) if head.endswith(";base64") else unquote(data).encode()
    return (gzip.decompress(raw) if contents.get("compression") == "gzip" else raw).decode()
