"""Tells the etcd of one EC2 instance which cluster to form or to join."""
