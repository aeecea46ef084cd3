#!/bin/sh
# Installs the Debian packages named as arguments that are not there yet. Asks sudo where it must.
set -eu
missing=
for package in "$@"; do
  dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
echo "installing:$missing"
root=
[ "$(id -u)" = 0 ] || root=sudo
$root apt-get -qq update
# shellcheck disable=SC2086 — a list of package names
DEBIAN_FRONTEND=noninteractive $root apt-get -qq -y install --no-install-recommends $missing >/dev/null
# Debian starts its registry at once; the tests start one of their own, where and when they need it.
case $missing in
  *docker-registry*) ! command -v systemctl >/dev/null || $root systemctl --quiet disable --now docker-registry || true ;;
esac
