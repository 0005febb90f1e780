#!/bin/sh
# Runs fuzz targets, as many at once as there are processors, and tells how many inputs they tried.
#   e2e/fuzz.sh 30s           all of them, each so long
#   e2e/fuzz.sh 30s numbered  those whose comment has a number as (F13): each number so long, which its targets share
# Which is which: F1 SIF, F2-F5 SquashFS and its writer, F6 layers, F7 compression, F8 documents of OCI, F9 references,
# F10 what registries answer, F11 definitions, F12 options, F13 signatures, F14 files of images and hosts, F15 FUSE,
# F16 state and limits. GO and TAGS are the Makefile's.
set -eu
cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

find . -name '*_test.go' -not -path '*/.*/*' | sort | xargs awk -v seconds="${1%s}" -v numbered="${2:+1}" '
	FNR == 1 { text = "" }
	/^\/\// { text = text $0; next }
	/^func Fuzz/ {
		number = match(text, /\(F[0-9]+\)/) ? substr(text, RSTART, RLENGTH) : ""
		dir = FILENAME; sub(/\/[^\/]*$/, "", dir)
		name = $2; sub(/\(.*/, "", name)
		if (!numbered || number != "") { n++; of[n] = number; what[n] = dir " " name; sharing[number]++ }
	}
	{ text = "" }
	END { for (i = 1; i <= n; i++) print what[i], int(numbered ? (seconds + sharing[of[i]] - 1) / sharing[of[i]] : seconds) "s" }
' >"$out/targets"

status=0
OUT=$out xargs -P "$(nproc)" -n 3 sh -c '
	log=$OUT/$(echo "$0.$1" | tr / _)
	try() { ${GO:-go} test ${TAGS:-} -run "^$" -fuzz "^$1\$" -fuzztime "$2" -fuzzminimizetime 10x -parallel 1 "$0" >"$log" 2>&1; }
	# A run may fail for want of time alone, at its end: then no input is named, and it has another chance.
	if try "$@" || { ! grep -q "Failing input written" "$log" && try "$@"; }; then
		echo "$0 $1 $2: $(sed -n "s/.*execs: \([0-9]*\).*/\1/p" "$log" | tail -1) inputs"
	else
		cat "$log"
		exit 1
	fi' <"$out/targets" || status=1
for log in "$out"/._*; do sed -n 's/.*execs: \([0-9]*\).*/\1/p' "$log" | tail -1; done |
	awk -v targets="$(wc -l <"$out/targets")" '{ sum += $1 } END { print targets " targets, " sum " inputs" }'
exit $status
