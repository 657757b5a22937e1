"""What an instance is told at its first boot: the files of :mod:`.host_files`, in the form its system reads."""

from infra.settings import Settings
from infra.user_data.cloud_config import render_cloud_config
from infra.user_data.host_files import HostFile, Unknown, etcd_url, host_files
from infra.user_data.ignition import render_ignition

LONGEST_BYTES = 16 * 1024
"""What EC2 takes, before base64: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html"""

__all__ = ["LONGEST_BYTES", "HostFile", "Unknown", "etcd_url", "host_files", "render_user_data"]


def render_user_data(settings: Settings, *, architecture: str, unknown: Unknown) -> str:
    """Return the user data for a processor (amd64, arm64); the settings' rules keep shell signs out of every value."""
    files = host_files(settings, architecture=architecture)
    text = render_ignition(files) if settings.members.operating_system == "flatcar" else render_cloud_config(files)
    return unknown.fill_in(text)
