"""The hosts: for each instance that the local AWS starts, the agent and then etcd, as its systemd unit would."""
