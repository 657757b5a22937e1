#!/bin/bash
# What the seed's script does on a host at boot, re-enacted from its README with its tools: curl, jq, the aws tool.
# Told by the environment: METADATA (URL), PEERS_FILE, ETCD_CLIENT_PORT, PROXY_ASG, and PAUSE_S, 3 in the seed.
region=$(curl -s "$METADATA/latest/dynamic/instance-identity/document" | jq -r .region)
[ -n "$region" ] || exit 1
export AWS_DEFAULT_REGION=$region
[ ! -f "$PEERS_FILE" ] || exit 0
id=$(curl -s "$METADATA/latest/meta-data/instance-id")
[ -n "$id" ] || exit 2
ip=$(curl -s "$METADATA/latest/meta-data/local-ipv4")
[ -n "$ip" ] || exit 3

if [ -n "$PROXY_ASG" ]; then
    group=$PROXY_ASG
else
    group=$(aws autoscaling describe-auto-scaling-groups |
        jq -r ".AutoScalingGroups[] | select([.Instances[].InstanceId] | index(\"$id\")) | .AutoScalingGroupName")
fi
[ -n "$group" ] || exit 4

instances() { # prints the ids of the group's instances; the argument is a filter of jq
    aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names "$group" |
        jq -r ".AutoScalingGroups[0].Instances[] | $1 | .InstanceId" | xargs
}
addresses() { # prints id and address of each of the instances
    aws ec2 describe-instances --instance-ids "$@" |
        jq -r '.Reservations[].Instances[] | .InstanceId + " " + .NetworkInterfaces[].PrivateIpAddress'
}

in_service=$(instances 'select(.LifecycleState == "InService")')
[ -n "$in_service" ] || exit 5
# shellcheck disable=SC2086  # one argument each
peers=$(addresses $in_service | cut -d' ' -f2)
for peer in $peers; do
    [ "$peer" != "$ip" ] || continue
    members=$(curl -f -s "http://$peer:$ETCD_CLIENT_PORT/v2/members") || continue
    good=http://$peer:$ETCD_CLIENT_PORT
    break
done

if [ -n "$good" ] && [ -z "$(jq -r ".members[] | select(.name == \"$id\") | .name" <<<"$members")" ]; then
    state=existing
    jq -r '.members[] | .id + " " + .peerURLs[0]' <<<"$members" | while read -r member url; do
        host=${url#*//}
        case " ${peers//$'\n'/ } " in *" ${host%:*} "*) continue ;; esac
        curl -f -s -o /dev/null -X DELETE "$good/v2/members/$member"
        sleep "$PAUSE_S"
    done
    cluster=$(curl -f -s "$good/v2/members" | jq -r '.members[] | .name + "=" + .peerURLs[0]' | xargs | tr ' ' ,)
    if [ -z "$PROXY_ASG" ]; then
        cluster=$cluster,$id=http://$ip:2380
        for _ in 1 2 3 4 5 6 7 8 9; do
            status=$(curl -f -s -o /dev/null -w '%{http_code}' -X POST -H 'Content-Type: application/json' \
                -d "{\"peerURLs\": [\"http://$ip:2380\"], \"name\": \"$id\"}" "$good/v2/members")
            sleep "$PAUSE_S"
            [ "$status" != 201 ] && [ "$status" != 409 ] || break
        done
    fi
else
    state=new
    everybody=$(instances .)
    # shellcheck disable=SC2086  # one argument each
    cluster=$(addresses $everybody | sed 's| \(.*\)|=http://\1:2380|' | xargs | tr ' ' ,)
fi

cat >"$PEERS_FILE" <<END
ETCD_INITIAL_CLUSTER_STATE=$state
ETCD_NAME=$id
ETCD_INITIAL_CLUSTER="$cluster"
ETCD_PROXY=$([ -n "$PROXY_ASG" ] && echo on || echo off)
END
