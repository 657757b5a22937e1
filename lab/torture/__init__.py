"""Torture: seeded schedules of faults on real clusters, under writers whose history is checked (docs/torture.md)."""
