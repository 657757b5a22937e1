"""etcd's members API over HTTP, for 2.x and 3.x."""
