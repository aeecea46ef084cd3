#!/bin/bash
# Writes the lines ENTRY_0, ENTRY_1 ... to /etc/hosts, between two marks. `cleanup` removes them.
# It checks all lines before it changes anything.
set -eu

file=/etc/hosts
begin='# begin tbuild hosts' end='# end tbuild hosts'

lines=
if [ "$1" != cleanup ]; then
  for name in $(compgen -v | grep -E '^ENTRY_[0-9]+$' | sort -t_ -k2n); do
    line=${!name}
    pattern='^([0-9.]+|[0-9A-Fa-f:]+:[0-9A-Fa-f:]*)([[:space:]]+[A-Za-z0-9.-]+)+$'
    [[ $line =~ $pattern ]] || { echo "hosts: \"$line\" is not an address with names" >&2; exit 2; }
    lines="$lines$line
"
  done
fi

[ -e "$file" ] || : > "$file"
text=$(sed "/^$begin\$/,/^$end\$/d" "$file")
[ -z "$lines" ] || text="$text
$begin
$lines$end"
# Into the existing file, which keeps its attributes.
[ "$text" = "$(cat "$file")" ] || printf '%s\n' "$text" > "$file"
