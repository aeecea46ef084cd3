# make demo   sets this machine up, builds tbuild, and builds a template on a rehearsal medium
# make test   sets this machine up and runs every test, including a full rehearsal
# make deb    packs tbuild as a Debian package, in .tbuild/deb
# make picture   records docs/picture.svg: the terminal during a rehearsal
# make additions   makes the RPMs of tbuild's guest additions, for Enterprise Linux 5 to 9, in .tbuild/additions
.PHONY: additions deb demo picture test check contract e2e e2e-oracle-vm e2e-xen bench torture release build setup clean

# packages for the tests, in addition to those that `tbuild setup` installs
debian_tests := flake8 ksh man-db mandoc dpkg-dev lintian gnupg libxml2-utils libvirt-clients pigz bzip2 lz4 lzop busybox-static xfsprogs fdisk dosfstools db5.3-util user-mode-linux btrfs-progs \
	dmsetup lvm2 mdadm kpartx sshfs openssh-server iproute2 fuse3 docker-registry virt-v2v chromium ovmf pxelinux grub-efi-amd64-bin grub-common \
	grub-pc-bin linux-image-cloud-amd64 cloud-init xkb-data jq rsync dbus-daemon buildbot buildbot-worker
# NetworkManager, which is unpacked for a test and not installed: it would set up this machine's network
debian_network_manager := network-manager libnm0 libndp0 libteamdctl0 libmm-glib0 libbluetooth3 libpsl5 libcurl3-gnutls libjansson4 \
	libpolkit-gobject-1-0 libpolkit-agent-1-0
# packages that build the Xen host of `make e2e-xen`
debian_xen := mmdebstrap qemu-system-x86 qemu-utils e2fsprogs openssh-client kmod cpio
# programs that the bench compares with, and packages for torture
debian_bench := casync borgbackup guestfish guestfs-tools nbdkit libnbd-bin

demo: build setup
	node dist/bin/main.js recipe ol6-grid --rehearse
	@echo "Ran: tbuild recipe ol6-grid --rehearse    (node dist/bin/main.js is tbuild; 'npm link' puts it on the PATH)"

test: build setup .tbuild/setup-tests
	npx biome check .
	npx tsc -p . --noEmit
	TBUILD_REQUIRE=1 npx vitest run --project check
	TBUILD_REQUIRE=1 npx vitest run --project contract --project e2e

check: node_modules/.done
	npx biome check .
	npx tsc -p . --noEmit
	npx vitest run --project check

contract: build setup .tbuild/setup-tests
	npx vitest run --project contract

e2e: build setup .tbuild/setup-tests
	npx vitest run --project e2e

# on a Xen host in qemu, without KVM: keeps a core busy for an hour
e2e-xen: build setup .tbuild/setup-tests
	@sh .ci/debian.sh $(debian_xen)
	TBUILD_REQUIRE=1 npx vitest run --project xen

# a build on a simulated Oracle VM Manager, killed in four steps: half an hour
e2e-oracle-vm: build setup .tbuild/setup-tests
	TBUILD_SLOW=1 TBUILD_REQUIRE=1 npx vitest run --project e2e test/e2e/oracle-vm-build.test.ts

bench: build setup .tbuild/setup-tests
	@sh .ci/debian.sh $(debian_bench)
	node test/bench/start-up.mjs
	node test/bench/store.mjs
	node test/bench/bundles.mjs
	node test/bench/offline.mjs
	node test/bench/scan.mjs
	node test/bench/catalog.mjs 1000
	node test/bench/many-files.mjs
	node test/bench/deploy.mjs 50
	@test -e .tbuild/bundles/ol6-grid-rehearsal-1.0.0 || node dist/bin/main.js recipe ol6-grid --rehearse
	node test/bench/convert.mjs

# longer runs of the kill and fuzz tests, and tests that are too slow for `make test`
torture: build setup .tbuild/setup-tests
	TBUILD_FUZZ_TRIES=2000 TBUILD_FUZZ_SEED=$$(date +%s) npx vitest run --project check test/fuzz
	TBUILD_KILLS=200 npx vitest run --project contract test/contract/kill.test.ts
	TBUILD_KILLS=40 npx vitest run --project contract test/contract/convert-kill.test.ts
	TBUILD_KILLS=100 npx vitest run --project contract test/contract/deployment-kill-manager.test.ts
	TBUILD_SLOW=1 TBUILD_KILLS=40 npx vitest run --project contract test/contract/mirror.test.ts
	TBUILD_SLOW=1 npx vitest run --project contract test/contract/deployment-faults.test.ts
	TBUILD_SLOW=1 npx vitest run --project contract test/contract/oracle-vm-machine.test.ts test/contract/hypervisor-oracle-vm.test.ts test/contract/template-of-machine.test.ts test/contract/build-on-server.test.ts
	TBUILD_SLOW=1 npx vitest run --project contract test/contract/ext-kinds.test.ts test/contract/convert.test.ts
	TBUILD_SLOW=1 npx vitest run --project contract test/contract/programs.test.ts test/contract/image-commands.test.ts test/contract/install-media.test.ts
	TBUILD_KILLS=50 npx vitest run --project contract test/contract/store.test.ts test/contract/registry.test.ts
	@sh .ci/debian.sh $(debian_bench) mmdebstrap
	TBUILD_SLOW=1 npx vitest run --project contract test/contract/deb.test.ts
	TBUILD_SLOW=1 npx vitest run --project contract test/contract/guest-tree.test.ts test/contract/interrupted.test.ts test/contract/failing-disk.test.ts -t guestfish
	TBUILD_SLOW=1 npx vitest run --project contract test/contract/sysprep.test.ts
	TBUILD_SLOW=1 npx vitest run --project e2e test/e2e/rehearsal.test.ts test/e2e/trial-modules.test.ts test/e2e/shipped-modules.test.ts test/e2e/clone-detection.test.ts test/e2e/oracle-vm-build.test.ts
	@# e2fsck's own test images
	node test/torture/e2fsprogs-images.mjs
	@# virt-v2v converts a whole bundle to KVM: two minutes under TCG
	node dist/bin/main.js recipe ol6-grid --rehearse
	LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg \
		virt-v2v -i ova .tbuild/bundles/ol6-grid-rehearsal-1.0.0/ol6-grid-rehearsal-1.0.0.ova -o null

additions:
	PYTHONDONTWRITEBYTECODE=1 python3 src/firstboot/additions/rpms.py .tbuild/additions

# installs a rehearsal guest as far as the picture needs it: two minutes, longer the first time
picture: build setup
	@sh .ci/debian.sh tmux
	node test/picture/picture.mjs

# the maintainer is DEBFULLNAME and DEBEMAIL, or git's user
deb: build
	@sh .ci/debian.sh dpkg-dev
	node .ci/deb.mjs .tbuild/deb

# tests, changelog, package and tag of a version; publishes nothing
release: build setup
	node .ci/release.mjs $(VERSION)

build: node_modules/.done
	npm run --silent build

setup: .tbuild/setup

node_modules/.done: package.json package-lock.json
	@# not `npm ci`: npm 11 leaves the other platforms' packages out of its lock file, and then refuses it
	npm install --no-save --no-audit --no-fund
	@touch $@

.tbuild/setup: src/host/programs.ts | build
	node dist/bin/main.js setup --yes
	@mkdir -p .tbuild && touch $@

.tbuild/setup-tests: Makefile
	@sh .ci/debian.sh $(debian_tests)
	@sh .ci/unpacked.sh .tbuild/network-manager $(debian_network_manager)
	@mkdir -p .tbuild && touch $@

clean:
	rm -rf dist node_modules/.done
