#!/bin/sh
# Starts a server in a container, asks it something, and stops it.
set -eu
data=$(mktemp -d)
sealift run --bind "$data" "$1" "$data" &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" || true; rm -rf "$data"' EXIT
for _ in $(seq 100); do
	sealift exec --bind "$data" "$1" pg_isready -q -h "$data" && break
	sleep 0.1
done
sealift exec --bind "$data" "$1" psql -h "$data" -d postgres -Atc 'select sum(x) from generate_series(1, 100) as x'
