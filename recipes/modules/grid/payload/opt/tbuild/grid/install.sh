#!/bin/bash
# Installs Grid Infrastructure with the response file, after the boot, when network file systems are up. It ends with 75 if the
# software is not there yet. In a cluster, the first node installs; the others wait until it lets them run root.sh.
set -eu
. /opt/tbuild/grid/release.sh

not_yet() { echo "grid: $*"; exit 75; }
# In this session, so that the deadline of the service ends it too.
as_grid() { su - grid -s /bin/sh --session-command="$1"; }

[ "$MODE" != none ] || exit 0
[ -f "$response" ] || fail "$response is missing; the configuration writes it"
find_release
if [ -e "$state/installed" ]; then echo "grid: installed already"; exit 0; fi

# The first node of a cluster leaves its requests here: it logs in as grid, by ssh.
mkdir -p "$state"
chown grid:oinstall "$state"
chmod 0700 "$state"

root_scripts() {
  local script
  for script in "$inventory/orainstRoot.sh" "$home/root.sh"; do
    [ ! -f "$script" ] || { echo "grid: runs $script"; sh "$script" < /dev/null || fail "$script: exit code $?"; }
  done
}

own=$(hostname)
others=()
if [ "$MODE" = cluster ]; then
  is_first=
  for node in ${NODES//,/ }; do
    node=${node%%:*}
    if [ "${node%%.*}" != "${own%%.*}" ]; then others+=("$node")
    elif [ "${#others[@]}" = 0 ]; then is_first=yes
    fi
  done
  [ "${#others[@]}" -lt "$(echo "${NODES//,/ }" | wc -w)" ] || fail "$own is none of the nodes $NODES"
  if [ -z "$is_first" ]; then
    echo "grid: node ${NODES%%:*} installs; waits for it to ask for root.sh here"
    until [ -e "$state/request" ]; do sleep 5; done
    if (root_scripts); then code=0; else code=$?; fi
    echo "$code" > "$state/answer.new"
    chown grid:oinstall "$state/answer.new"
    mv -f "$state/answer.new" "$state/answer"
    rm -f "$state/request"
    [ "$code" = 0 ] || exit "$code"
    touch "$state/installed"
    echo "grid: root.sh was run on this node"
    exit 0
  fi
fi

# Finds the installer.
if is_image; then
  if [ ! -x "$home/gridSetup.sh" ]; then
    zips=("$SOFTWARE"/*grid_home*.zip)
    [ -f "${zips[0]}" ] || not_yet "there is no installer: neither $home/gridSetup.sh nor a file *grid_home*.zip in $SOFTWARE. Nothing was installed."
    [ "${#zips[@]}" = 1 ] || fail "which one to install? ${zips[*]}"
    echo "grid: unpacks ${zips[0]}"
    as_grid "unzip -q -o '${zips[0]}' -d '$home'" || fail "${zips[0]} cannot be unpacked"
    [ -x "$home/gridSetup.sh" ] || fail "${zips[0]} has no gridSetup.sh"
  fi
  installer=$home/gridSetup.sh
else
  installer=$SOFTWARE/runInstaller
  [ -x "$installer" ] || not_yet "there is no installer: $installer is missing. Nothing was installed."
fi
[ -n "$ASM_PASSWORD" ] || fail "asm-password is not given, so nothing was installed"
[ -n "$ASM_DISKS" ] || fail "asm-disks is not given, so nothing was installed"

# The response files with passwords, for the installer and the configuration assistants. They are in memory, only grid can
# read them, and they are removed at the end.
private=$(mktemp -d /dev/shm/grid.XXXXXX)
trap 'rm -rf "$private"' EXIT
secret=$private/grid.rsp assistants=$private/cfgrsp.properties
(
  umask 077
  { cat "$response"; printf 'oracle.install.asm.%s=%s\n' SYSASMPassword "$ASM_PASSWORD" monitorPassword "$ASM_PASSWORD"; } > "$secret"
  printf 'oracle.assistants.asm|%s=%s\n' S_ASMPASSWORD "$ASM_PASSWORD" S_ASMMONITORPASSWORD "$ASM_PASSWORD" > "$assistants"
  chown -R grid:oinstall "$private"
)

ignore=
[ "$IGNORE_PREREQUISITES" != yes ] || ignore=' -ignorePrereq'
echo "grid: runs $installer"
code=0
as_grid "cd '${installer%/*}' && '$installer' -silent -waitforcompletion$ignore -responseFile '$secret'" || code=$?
# 6: installed, with warnings.
case $code in 0|6) ;; *) fail "$installer: exit code $code; its log is in $inventory/logs" ;; esac
root_scripts
for node in ${others[@]+"${others[@]}"}; do
  echo "grid: root.sh on $node"
  remote() { as_grid "ssh -o BatchMode=yes -n '$node' \"$1\""; }
  tries=0
  until remote "rm -f $state/answer && touch $state/request"; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || fail "the user grid cannot reach $node by ssh, or the module grid did not run there"
    sleep 10
  done
  until answer=$(remote "cat $state/answer" 2> /dev/null); do sleep 5; done
  [ "$answer" = 0 ] || fail "root.sh on $node: exit code $answer; see /var/log/ovm-template-config.log there"
done
code=0
if is_image; then as_grid "'$installer' -silent -executeConfigTools -responseFile '$secret'" || code=$?
else as_grid "'$home/cfgtoollogs/configToolAllCommands' RESPONSE_FILE='$assistants'" || code=$?
fi
case $code in 0|6) ;; *) fail "the configuration assistants failed with exit code $code; their logs are in $home/cfgtoollogs" ;; esac
touch "$state/installed"
echo "grid: Grid $release is installed"
