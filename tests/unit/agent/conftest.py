"""A host with a disk of its own, and the AWS that it talks to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from etcd_aws_agent.__main__ import main
from tests.unit.agent.fake_aws import INSTANCE, FakeAws, Server
from tests.unit.agent.records import INITIAL_CLUSTER_TOKEN


@dataclass
class Host:
    """The disk and the environment of one instance."""

    root: Path
    env: dict[str, str]

    @property
    def data_dir(self) -> Path:
        return self.root / "lib" / "etcd"

    @property
    def peers_file(self) -> Path:
        return self.root / "sysconfig" / "etcd-peers"

    @property
    def marker_file(self) -> Path:
        return self.root / "lib" / "etcd.life"

    def has_run_before(self) -> None:
        wal = self.data_dir / "member" / "wal"
        wal.mkdir(parents=True)
        (wal / "0000000000000000-0000000000000000.wal").write_text("precious")

    def has_marker(self, *, life: str = "g1", token: str = INITIAL_CLUSTER_TOKEN) -> None:
        self.marker_file.parent.mkdir(parents=True, exist_ok=True)
        self.marker_file.write_text(json.dumps({"token": token, "life": life}))

    def has_peers_file(self, name: str = INSTANCE) -> str:
        text = f'ETCD_INITIAL_CLUSTER_STATE=existing\nETCD_NAME={name}\nETCD_INITIAL_CLUSTER="{name}=http://x:1"\n'
        self.peers_file.parent.mkdir(parents=True, exist_ok=True)
        self.peers_file.write_text(text)
        return text

    def precious(self) -> list[Path]:
        """Return every write-ahead log on this disk."""
        return sorted((self.root / "lib").rglob("*.wal"))

    def contents(self) -> dict[str, str | None]:
        """Return everything on this disk."""
        return {
            str(path.relative_to(self.root)): path.read_text() if path.is_file() else None
            for path in sorted(self.root.rglob("*"))
        }

    def values(self) -> dict[str, str]:
        """Return the peers file as systemd would read it."""
        lines = self.peers_file.read_text().splitlines()
        return {key: value.strip('"') for key, value in (line.split("=", 1) for line in lines)}

    def run(self, *arguments: str) -> int:
        """Run the agent in this process."""
        with pytest.MonkeyPatch.context() as patch:
            for name in os.environ:
                if name.startswith(("AWS_", "ETCD_", "AGENT_")) or name.lower().endswith("_proxy"):
                    patch.delenv(name)
            for name, value in self.env.items():
                patch.setenv(name, value)
            return main(arguments)


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    fake = FakeAws()
    server = Server(fake)
    yield fake
    server.close()


@pytest.fixture
def host(tmp_path: Path, aws: FakeAws) -> Host:
    root = tmp_path / "host"
    (root / "lib" / "etcd").mkdir(parents=True)
    env = {
        "HOME": str(tmp_path / "home"),
        "CLUSTER_NAME": "etcd",
        "ETCD_DATA_DIR": str(root / "lib" / "etcd"),
        "ETCD_PEERS_FILE": str(root / "sysconfig" / "etcd-peers"),
        "AGENT_DEADLINE_S": "60",
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.url,
    }
    return Host(root, env)
