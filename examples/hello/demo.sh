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
echo "A SIF image built from a definition file, as user $(id -u):"
step cat hello.def
step sealift build hello.sif hello.def
echo "Run it:"
step sealift run hello.sif
step sealift run hello.sif "$(id -un)"
step sealift exec hello.sif ls -l /opt/hello
step sealift test hello.sif
echo "What it is:"
step sealift inspect hello.sif
step sealift inspect --json hello.sif
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
