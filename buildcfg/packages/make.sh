#!/bin/sh
# Makes packages: make.sh OUT VERSION tree|tar|deb|rpm. OUT/root is an installed tree (make
# install PREFIX=/usr DESTDIR=OUT/root), which "tree" completes and the others pack. All times
# are SOURCE_DATE_EPOCH's, that of the last commit without it.
set -eu

out=$1 version=$2 format=$3
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
arch=$(go env GOARCH)
# Versions of packages begin with a number, also where no tag is near.
case $version in v[0-9]*) version=${version#v} ;; [0-9]*.*) ;; *) version=0.0.0+git.$version ;; esac
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

root=$out/root
helper=usr/libexec/sealift/sealift-gpu-helper

# tree adds what packages have besides the programs. The helper, which needs a C library, has
# packages of its own.
tree() {
	doc=$root/usr/share/doc/sealift
	mkdir -p "$doc" "$root/usr/share/sealift" "$root/etc/sealift"
	cp README.md ARCHITECTURE.md SECURITY.md LICENSE "$doc/"
	cp -R examples "$here/site" "$doc/"
	cp "$here/apparmor" "$root/usr/share/sealift/"
	rm -rf "$out/helper"
	if [ -e "$root/$helper" ]; then
		mkdir -p "$out/helper/${helper%/*}"
		mv "$root/$helper" "$out/helper/$helper"
	fi
	for dir in "$root" "$out/helper"; do
		[ -e "$dir" ] || continue
		chmod -R u=rwX,go=rX "$dir"
		find "$dir" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	done
}

# glibc tells the oldest C library that the helper runs with.
glibc() { objdump -T "$out/helper/$helper" | sed -n 's/.*GLIBC_\([0-9.]*\).*/\1/p' | sort -Vu | tail -1; }

# package CONFIG TREE makes a package of a tree. nfpm runs here, whichever machine it is for.
package() {
	ARCH=$arch VERSION=$version TREE=$2 GLIBC=${3:-} GOARCH='' CGO_ENABLED=0 \
		go run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.48.0 package -f "$here/$1" -p "$format" -t "$out" >/dev/null
}

case $format in
tree) tree ;;
tar)
	name=sealift-$version-linux-$arch
	tar -C "$root" --sort=name --owner=0 --group=0 --numeric-owner --format=gnu \
		--transform="s,^usr,$name,;s,^etc/sealift,$name/etc/sealift," -cf - usr etc/sealift | gzip -9n >"$out/$name.tar.gz"
	;;
deb | rpm)
	package sealift.yaml "$root"
	[ ! -e "$out/helper" ] || package helper.yaml "$out/helper" "$(glibc)"
	;;
*)
	echo "make.sh: $format is not tree, tar, deb or rpm" >&2
	exit 2
	;;
esac
