"""Random sequences of member operations: the explorer's etcd, the fake, and real etcd of each version do the same.

``script.py`` makes up a sequence while the explorer's etcd and the fake go through it side by side; ``real.py`` has
a real cluster go through it again, and compares every answer and every member list.
"""
