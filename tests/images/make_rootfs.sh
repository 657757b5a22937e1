#!/bin/sh
# Makes the plain Debian root of tests/images: make_rootfs.sh DIRECTORY. Needs root, and Debian or a relative of it.
set -eu
final=$1
root=$1.new
for program in debootstrap podman runc; do
  if ! command -v "$program" >/dev/null; then
    apt-get update -qq
    apt-get install -qq -y --no-install-recommends "$program"
  fi
done
rm -rf "$root"
debootstrap --variant=minbase bookworm "$root"
# For apt in it; the machine that is booted from it has a network of its own, with nobody in it.
cp /etc/resolv.conf "$root/etc/resolv.conf"
DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -qq -y --no-install-recommends \
  systemd-sysv dbus cloud-init python3 curl ca-certificates openssl e2fsprogs iproute2 tini ignition
chroot "$root" apt-get clean
rm -rf "$final" "$root/etc/machine-id" "$root/var/lib/dbus/machine-id"
touch "$root/etc/machine-id"
mv "$root" "$final"
