#!/bin/bash
# Finds the disk for etcd's data: the one with our label, else the one empty disk, on which it makes a file system.
# A disk with anything on it is never written to. Leaves a link to the disk, which var-lib-etcd.mount mounts.
set -euo pipefail
kind=$1 # ebs or instance-store
gib=$2  # size of the volume that the launch template asks for; 0 is any
tries=${3:-60}
label=etcd-data
link=/run/etcd-aws-cluster/data-volume

say() {
  echo "data-volume: $*" >&2
}

# Local disks are NVMe devices on every Nitro instance; what they are is in their model:
# https://docs.aws.amazon.com/ebs/latest/userguide/identify-nvme-ebs-device.html
case "$kind" in
  ebs) wanted='Amazon Elastic Block Store' ;;
  instance-store) wanted='Amazon EC2 NVMe Instance Storage' ;;
  *)
    say "got '$kind', expected ebs or instance-store"
    exit 64
    ;;
esac

is_empty() { # disk, exit code of the probe
  # 2 is "nothing found", and nothing else is. What no probe knows, such as a database on a raw disk, is not zero.
  [ "$2" = 2 ] && [ -z "$(head --bytes=1048576 "$1" | tr --delete '\0' | head --bytes=1)" ]
}

look() { # sets ours and empty
  local block name disk model sectors code found
  ours=() empty=()
  for block in /sys/block/nvme*; do
    [ -r "$block/device/model" ] || continue
    read -r model <"$block/device/model"
    [ "$model" = "$wanted" ] || continue
    name=${block##*/} disk=/dev/${block##*/}
    # The root volume is partitioned; a disk with partitions or in use by another layer is somebody's.
    if compgen -G "$block/$name*/partition" >/dev/null || compgen -G "$block/holders/*" >/dev/null; then
      continue
    fi
    code=0
    found=$(blkid --probe --output export "$disk") || code=$?
    if [ "$code" = 0 ] && grep --quiet --line-regexp "LABEL=$label" <<<"$found"; then
      ours+=("$disk")
      continue
    fi
    read -r sectors <"$block/size"
    if [ "$gib" != 0 ] && [ "$sectors" != $((gib * 1024 * 1024 * 2)) ]; then
      say "$disk is of another size: left alone"
    elif is_empty "$disk" "$code"; then
      empty+=("$disk")
    else
      say "$disk is not empty: left alone"
    fi
  done
}

ours=() empty=()
for (( ; tries > 0; tries--)); do
  look
  if ((${#ours[@]} + ${#empty[@]} > 0)); then
    break
  fi
  say "no disk of etcd's and no empty one ($wanted)"
  ((tries == 1)) || sleep 2
done

if ((${#ours[@]} > 1)); then
  say "several disks have the label $label: ${ours[*]}; detach those that are not this instance's"
  exit 1
elif ((${#ours[@]} == 1)); then
  disk=${ours[0]}
  # Replays the journal, mends what is safe to mend; 1 says that it did. Not while it is mounted.
  if ! grep --quiet "^$disk " /proc/mounts; then
    e2fsck -p "$disk" || [ $? = 1 ]
  fi
elif ((${#empty[@]} == 0)); then
  exit 1
elif ((${#empty[@]} > 1)) && [ "$kind" = ebs ]; then
  say "several empty disks: ${empty[*]}; cannot tell which is meant"
  exit 1
else
  # Of several local disks the first one serves.
  disk=${empty[0]}
  say "makes a file system on $disk"
  mkfs.ext4 -q -L "$label" "$disk"
fi
mkdir -p "${link%/*}"
ln -sfn "$disk" "$link"
say "$disk"
