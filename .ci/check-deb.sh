#!/bin/sh
# check-deb.sh PACKAGE.deb: as root, installs the Debian package with apt in a new root of Debian 13, whose node is new enough,
# and uses tbuild there. Takes a few minutes and the network; nothing remains.
set -eu
package=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"

cp "$package" "$folder/tbuild.deb"
cat >"$folder/use.sh" <<'USE'
set -eu
apt-get install -y -qq --no-install-recommends /tmp/tbuild.deb >/dev/null
dpkg --verify tbuild
cd /tmp
su nobody -s /bin/sh -c '
  set -eu
  tbuild --version
  tbuild recipe --list
  tbuild setup | tail -1
  tbuild doctor || test $? = 1
  tbuild kickstart ol6-base --check
'
for file in man/man1/tbuild.1.gz man/man1/tbuild-template-push.1.gz bash-completion/completions/tbuild \
  zsh/vendor-completions/_tbuild fish/vendor_completions.d/tbuild.fish doc/tbuild/copyright doc/tbuild/docs/recipe.md; do
  dpkg --listfiles tbuild | grep -qx "/usr/share/$file" || { echo "missing: $file" >&2; exit 1; }
done
bash -c '. /usr/share/bash-completion/completions/tbuild
  COMP_WORDS=(tbuild templ); COMP_CWORD=1; _tbuild; test "${COMPREPLY[*]}" = template'
apt-get purge -y -qq tbuild >/dev/null
test ! -e /usr/lib/tbuild && test ! -e /usr/bin/tbuild
echo "installed, used and removed"
USE
mmdebstrap --quiet --variant=apt --customize-hook="copy-in $folder/tbuild.deb $folder/use.sh /tmp" \
  --customize-hook='chroot "$1" sh /tmp/use.sh' trixie /dev/null
