#!/bin/sh
# Installs what the tests need. It changes the machine only as root: Debian
# packages, a user for the rootless tests, and the usual mode of /dev/fuse.
set -eu

packages="apache2-utils attr bash-completion bubblewrap busybox-static charliecloud cwltool debootstrap docker-registry e2fsprogs fuse2fs gcc
gnupg libc6-dev libcap2-bin libdeflate-dev libmpich-dev libnss-extrausers libopenmpi-dev libslurm-dev mandoc mmdebstrap mpich munge openmpi-bin openssl
passt qemu-system-x86 rpm slirp4netns slurm-wlm snakemake squashfs-tools squashfs-tools-ng squashfuse strace time uidmap util-linux xfsprogs xz-utils zstd"

if [ "$(id -u)" -ne 0 ]; then
	echo "setup: not root, so nothing is installed; tests that miss a tool say so"
	exit 0
fi
missing=""
for p in $packages; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
if [ -n "$missing" ]; then
	apt-get update -qq
	# shellcheck disable=SC2086 # a list of words
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
case "$missing" in *docker-registry*)
	# The tests start their own.
	[ ! -d /run/systemd/system ] || systemctl --quiet disable --now docker-registry ;;
esac
id sealift-test >/dev/null 2>&1 || useradd --create-home --uid 1501 sealift-test
# Some machines restrict these devices to root; 0666 is what distributions ship.
for device in /dev/fuse /dev/net/tun; do
	[ ! -c "$device" ] || chmod 0666 "$device"
done
