#!/bin/sh
# The main job, step by step, without network or root. `make demo` runs it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$(dirname "$0")/hello.def" "$work"
cd "$work"

step() {
	printf '\n$ %s\n' "$*"
	"$@"
}

echo "A small OCI image, made offline:"
step box oci-archive box.oci.tar
echo "A key to sign with, in a keyring of its own:"
export SEALIFT_KEYSDIR="$work/keys" SEALIFT_PASSPHRASE_FILE="$work/passphrase"
(umask 077; echo demo >passphrase)
step sealift key newpair --name Demo --email demo@example.org --comment '' --bit-length 2048 --push=false
echo "A SIF image built from a definition file, as user $(id -u), and signed:"
step cat hello.def
step sealift build --sign hello.sif hello.def
step sealift verify --local hello.sif
echo "Run it:"
step sealift run hello.sif
step sealift run hello.sif "$(id -un)"
step sealift exec hello.sif ls -l /opt/hello
step sealift test hello.sif
echo "What it is:"
step sealift inspect hello.sif
step sealift inspect --json hello.sif
echo "Rules say what may be used; this one wants a signature:"
export SEALIFT_CONFIGDIR="$work/conf"
(umask 077; mkdir conf; printf '[default]\naction = "verify"\n' >conf/trust.toml)
step sealift run hello.sif
step sealift image pack oci-archive:box.oci.tar unsigned.sif
if step sealift exec unsigned.sif true; then exit 1; fi
echo "What a start does, without doing it:"
step sealift exec --dry-run --cleanenv hello.sif true
echo "The exit status is the payload's own:"
set +e
step sealift exec hello.sif sh -c 'exit 37'
status=$?
set -e
echo "status $status"
[ "$status" -eq 37 ]
printf '\ndemo: all steps passed\n'
