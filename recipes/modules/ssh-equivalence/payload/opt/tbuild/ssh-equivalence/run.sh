#!/bin/bash
# Writes ~/.ssh of each user in USERS: the key, the key's public half as an authorized key, and KNOWN_HOST_0, KNOWN_HOST_1 ... as known
# hosts. `cleanup` removes the private key. Without a key it changes nothing.
set -eu

if [ "$1" != cleanup ]; then
  [ -n "$PRIVATE_KEY$PUBLIC_KEY" ] || exit 0
  [ -n "$PRIVATE_KEY" ] && [ -n "$PUBLIC_KEY" ] || { echo "ssh-equivalence: needs private-key and public-key" >&2; exit 2; }
  case $PUBLIC_KEY in
    ssh-rsa\ *|ssh-ed25519\ *|ecdsa-sha2-*) ;;
    *) echo "ssh-equivalence: public-key is not a public key of ssh" >&2; exit 2 ;;
  esac
fi
kind=id_rsa
case $PUBLIC_KEY in ssh-ed25519*) kind=id_ed25519 ;; ecdsa*) kind=id_ecdsa ;; esac

# Every user has to exist before anything changes.
for user in ${USERS//,/ }; do
  getent passwd "$user" > /dev/null || { echo "ssh-equivalence: there is no user \"$user\"" >&2; exit 2; }
done

umask 077
for user in ${USERS//,/ }; do
  home=$(getent passwd "$user" | cut -d: -f6)
  group=$(id -gn "$user")
  folder=$home/.ssh
  # A link could lead root out of the user's home.
  [ ! -L "$folder" ] || { echo "ssh-equivalence: $folder is a link" >&2; exit 2; }
  if [ "$1" = cleanup ]; then
    rm -f "$folder/$kind"
    continue
  fi
  mkdir -p "$folder"
  printf '%b\n' "${PRIVATE_KEY%\\n}" > "$folder/.new"
  mv -f "$folder/.new" "$folder/$kind"
  printf '%s\n' "$PUBLIC_KEY" > "$folder/.new"
  mv -f "$folder/.new" "$folder/$kind.pub"
  add() {
    [ -f "$1" ] && grep -qxF -e "$2" "$1" && return
    { [ ! -f "$1" ] || cat "$1"; printf '%s\n' "$2"; } > "$folder/.new"
    mv -f "$folder/.new" "$1"
  }
  add "$folder/authorized_keys" "$PUBLIC_KEY"
  for name in $(compgen -v | grep -E '^KNOWN_HOST_[0-9]+$' | sort -t_ -k3n); do
    add "$folder/known_hosts" "${!name}"
  done
  chown -R "$user:$group" "$folder"
done
