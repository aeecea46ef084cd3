#!/bin/bash
# Replaces the time servers in the configuration of chronyd (Oracle Linux 7 and later) or ntpd, and enables the service. Without
# servers it changes nothing.
set -eu

[ -n "$SERVERS" ] || exit 0
pattern='^[A-Za-z0-9.:-]+(,[A-Za-z0-9.:-]+)*$'
[[ $SERVERS =~ $pattern ]] || { echo "ntp: \"$SERVERS\" is not a list of names or addresses" >&2; exit 2; }

if [ -f /etc/chrony.conf ]; then file=/etc/chrony.conf service=chronyd
elif [ -f /etc/ntp.conf ]; then file=/etc/ntp.conf service=ntpd
else echo "ntp: neither chrony nor ntp is installed" >&2; exit 2
fi

text=$(sed -E '/^[[:space:]]*(server|pool)[[:space:]]/d' "$file")
for server in ${SERVERS//,/ }; do
  text="$text
server $server iburst"
done
[ "$text" = "$(cat "$file")" ] || printf '%s\n' "$text" > "$file"

if command -v systemctl > /dev/null 2>&1; then systemctl enable "$service" > /dev/null 2>&1 || :
else chkconfig "$service" on 2> /dev/null || :
fi
