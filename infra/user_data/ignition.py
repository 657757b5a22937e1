"""Ignition's form, for Flatcar.

https://coreos.github.io/ignition/configuration-v3_3/
Ignition does it once, before systemd of the first boot; so the units are there when systemd looks.
"""

import base64
import gzip
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from infra.user_data.host_files import HostFile

# Flatcar replaces itself and reboots when it likes. Here a new image comes by an instance refresh, one voter at a time.
_MASKED = ("locksmithd.service", "update-engine.service")


def render_ignition(files: Sequence[HostFile]) -> str:
    """Return an Ignition config that writes the files and enables the units."""
    config = {
        "ignition": {"version": "3.3.0"},
        "storage": {"files": [_file(file) for file in files if not file.unit]},
        "systemd": {
            "units": [
                *(_unit(file) for file in files if file.unit),
                *({"name": name, "mask": True} for name in _MASKED),
            ]
        },
    }
    return json.dumps(config, separators=(",", ":"))


def _unit(file: HostFile) -> dict[str, Any]:
    enabled = {"enabled": True} if file.is_started else {}
    return {"name": file.unit, **enabled, "contents": file.text}


def _file(file: HostFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "overwrite": True,
        "mode": 0o755 if file.is_program else 0o644,
        "contents": _packed(file.text) if file.is_program else {"source": f"data:,{quote(file.text, safe='')}"},
    }


def _packed(text: str) -> dict[str, str]:
    """Programs are the same for everybody, so they can be compressed; what has words to be filled in cannot."""
    packed = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    return {"compression": "gzip", "source": f"data:;base64,{base64.b64encode(packed).decode()}"}
