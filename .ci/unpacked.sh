#!/bin/sh
# Unpacks Debian packages, named after the folder, without installing them: none of their services starts on this machine.
set -eu
folder=$1
shift
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"
apt-get -qq -o APT::Sandbox::User=root download "$@"
for package in *.deb; do dpkg -x "$package" .; rm "$package"; done
# These packages divide /lib and /usr/lib, which are one folder.
if [ -d lib ]; then mkdir -p usr && cp -a lib usr && rm -r lib; fi
