#!/bin/sh
# Boots a root directory with its own systemd, in namespaces made by whoever calls: power_on.sh ROOT BLOCK_DEVICES.
# BLOCK_DEVICES has a file for each disk, NAME holding "MAJOR MINOR", and below sys what /sys/block shall show of them.
set -eu
root=$1
disks=$2
mount --make-rprivate /
mount -t proc proc "$root/proc"
# Read-only, as in any container: systemd then expects no udev.
mount -t sysfs -o ro sysfs "$root/sys"
mount --bind "$disks/sys" "$root/sys/block"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
for name in null zero full random urandom tty; do
  touch "$root/dev/$name"
  mount --bind "/dev/$name" "$root/dev/$name"
done
touch "$root/dev/console"
mount --bind /dev/null "$root/dev/console"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for disk in "$disks"/nvme*; do
  [ -e "$disk" ] || continue
  read -r major minor <"$disk"
  mknod "$root/dev/${disk##*/}" b "$major" "$minor"
done
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
exec chroot "$root" env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=multi-user.target
