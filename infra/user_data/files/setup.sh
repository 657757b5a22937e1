#!/bin/bash
# Puts etcd and the agent in place, before every start of etcd, by its unit. What is there already is left alone, and
# then nothing is asked of the network. Its settings are in setup.env, which infra/user_data makes.
set -euo pipefail
umask 022
# shellcheck source=/dev/null
. /etc/etcd-aws-cluster/setup.env

metadata=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}
storage=${AWS_ENDPOINT_URL_S3:-${AWS_ENDPOINT_URL:-https://s3.$AWS_REGION.$AWS_URL_SUFFIX}}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

get() { # more options and an address
  curl --fail --silent --show-error --retry 4 --retry-all-errors --connect-timeout 10 --max-time 600 "$@"
}

field() { # name, of the credentials' JSON
  sed -n 's|.*"'"$1"'" *: *"\([^"]*\)".*|\1|p' "$work/credentials"
}

# From S3 with the instance's role, as the AWS CLI would, which Ubuntu and Flatcar do not have. The keys go to curl by
# its stdin, for everybody can see its arguments.
get_from_s3() { # bucket/key, file
  local token role
  token=$(get --request PUT --header 'X-aws-ec2-metadata-token-ttl-seconds: 300' "$metadata/latest/api/token")
  local roles=$metadata/latest/meta-data/iam/security-credentials/
  role=$(get --header "X-aws-ec2-metadata-token: $token" "$roles")
  (umask 077 && get --header "X-aws-ec2-metadata-token: $token" --output "$work/credentials" "$roles$role")
  printf 'user = "%s:%s"\nheader = "x-amz-security-token: %s"\n' \
    "$(field AccessKeyId)" "$(field SecretAccessKey)" "$(field Token)" |
    get --config - --aws-sigv4 "aws:amz:$AWS_REGION:s3" --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' \
      --output "$2" "$storage/$1"
}

fetch() { # address, file
  case "$1" in
    s3://*) get_from_s3 "${1#s3://}" "$2" ;;
    *) get --proto =https --location --output "$2" "$1" ;;
  esac
}

is_installed() { # what, version
  [ "$(cat "$LIBRARY/$1.installed" 2>/dev/null)" = "$2" ]
}

# After all else, and synced: a power cut leaves it out rather than a half-written file under it.
note_installed() { # what, version
  sync
  printf '%s\n' "$2" >"$work/note"
  install -m 0644 "$work/note" "$LIBRARY/$1.installed"
}

install_etcd() {
  # Nothing of an archive is used before its checksum is right.
  fetch "$ETCD_URL" "$work/etcd.tar.gz"
  echo "$ETCD_SHA256  $work/etcd.tar.gz" | sha256sum --check --strict --quiet
  mkdir "$work/etcd"
  tar --extract --gzip --file "$work/etcd.tar.gz" --directory "$work/etcd" --strip-components=1 --no-same-owner
  # install(1) puts a new file in place of the old one, so an etcdctl that runs is not in the way.
  install -m 0755 "$work/etcd/etcd" "$work/etcd/etcdctl" "$PROGRAMS/"
  note_installed etcd "$ETCD_SHA256"
}

install_agent() {
  fetch "$AGENT" "$work/agent.pyz"
  install -m 0644 "$work/agent.pyz" "$LIBRARY/etcd-aws-agent.pyz"
  note_installed agent "$AGENT"
}

install_agent_image() {
  local image=$AGENT
  case "$AGENT" in
    s3://*)
      fetch "$AGENT" "$work/image.tar"
      image=$(docker load --quiet --input "$work/image.tar" | sed -n 's/^Loaded image[^:]*: *//p' | head -n 1)
      ;;
    *) docker pull --quiet "$AGENT" ;;
  esac
  docker tag "$image" etcd-aws-agent:installed
  note_installed agent "$AGENT"
}

install -d -m 0755 "$LIBRARY" "$PROGRAMS" /etc/sysconfig
# The data directory is one below, so that the agent can move it aside and etcd can make it anew.
install -d -m 0700 -o etcd -g etcd /var/lib/etcd
if [ -n "$PKI_DIRECTORY" ]; then
  install -d -m 0755 "${PKI_DIRECTORY%/*}"
  install -d -m 0700 -o etcd -g etcd "$PKI_DIRECTORY"
fi
if ! is_installed etcd "$ETCD_SHA256" || ! [ -x "$PROGRAMS/etcd" ]; then
  install_etcd
fi
if [ "$AGENT_KIND" = image ]; then
  if ! is_installed agent "$AGENT" || ! docker image inspect etcd-aws-agent:installed >/dev/null 2>&1; then
    install_agent_image
  fi
elif ! is_installed agent "$AGENT" || ! [ -s "$LIBRARY/etcd-aws-agent.pyz" ]; then
  install_agent
fi
