"""cloud-init's form, for Amazon Linux and Ubuntu.

https://cloudinit.readthedocs.io/en/latest/reference/modules.html
cloud-init does it once in the life of an instance. Nothing here must happen at a later boot: the units see to that.
"""

import json
from collections.abc import Sequence
from textwrap import indent

from infra.user_data.host_files import HostFile


def render_cloud_config(files: Sequence[HostFile]) -> str:
    """Return a cloud-config that writes the files and starts the units."""
    started = [file.unit for file in files if file.is_started]
    commands = [
        ["systemctl", "daemon-reload"],
        # The start takes until the controller lists this instance; nothing else of the boot waits for it.
        ["systemctl", "enable", "--now", "--no-block", *started],
    ]
    written = "".join(
        f"- path: {file.path}\n  permissions: '{'0755' if file.is_program else '0644'}'\n"
        f"  content: |\n{indent(file.text, '    ')}"
        for file in files
    )
    run = "".join(f"- {json.dumps(command)}\n" for command in commands)
    return f"#cloud-config\nwrite_files:\n{written}runcmd:\n{run}"
