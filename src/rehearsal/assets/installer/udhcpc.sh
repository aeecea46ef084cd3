#!/bin/sh
# What busybox's DHCP client calls with an offer in its environment.
[ "$1" = bound ] || exit 0
ip addr add "$ip/${mask:-24}" dev "$interface"
[ -n "$router" ] && ip route add default via "${router%% *}" dev "$interface"
for server in $dns; do echo "nameserver $server" > /etc/resolv.conf; done
