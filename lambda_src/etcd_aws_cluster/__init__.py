"""Keeps the etcd cluster of one Auto Scaling group: who forms it, who joins, who leaves."""
