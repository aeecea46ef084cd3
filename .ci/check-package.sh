#!/bin/sh
# check-package.sh PACKAGE.tgz FOLDER [--build]: installs a packed tbuild with npm below FOLDER, which has to be empty, and
# uses it from an empty folder there. With --build it builds a rehearsal of ol6-base, which takes several minutes.
set -eu
package=$(realpath "$1")
folder=$(realpath "$2")
[ -z "$(ls -A "$folder")" ] || { echo "$folder: not empty" >&2; exit 2; }

npm install --global --prefix "$folder/prefix" --prefer-offline --no-audit --no-fund --silent "$package"
PATH=$folder/prefix/bin:$PATH
mkdir "$folder/work"
cd "$folder/work"
tbuild --version
test -e "$folder/prefix/share/man/man1/tbuild-recipe.1"
tbuild recipe --list
tbuild kickstart ol6-base --check
tbuild plan ol6-grid --rehearse >/dev/null
[ -z "$(ls -A)" ] || { echo "planning wrote files:" >&2; ls -A >&2; exit 1; }
[ "${3:-}" != --build ] || tbuild recipe ol6-base --rehearse
