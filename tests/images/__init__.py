"""Whole hosts: a plain Debian root with its own systemd and cloud-init, in namespaces of this machine."""
