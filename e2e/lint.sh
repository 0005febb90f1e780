#!/bin/sh
# Static analysis for what an attacker could use. GO and TAGS are the Makefile's.
#
# Rules of gosec that are off, with the reason; single places have "#nosec RULE -- why" in the code:
#   G103 unsafe: its users are listed, each with the reason, in e2e/gates_test.go
#   G104 errors that are not looked at: those of closing what was only read, on the way out of another error, or of a
#        signal to who has just ended; staticcheck and reviews look at the others
#   G115 conversions of integers: descriptors, ids and sizes that were checked, as the kernel and the formats have them;
#        fuzz targets F1 to F7 try the bounds
#   G304 G703 paths out of variables: naming files is what the command line is for; what an image names goes by
#        open directories, and e2e/gates_test.go holds calls by path to a list
#   G204 G702 programs out of variables: payloads are such, helpers have absolute paths
#   G301 G302 G306 modes that others can read: images and layouts are made under the caller's umask, secrets at 0600
#   G704 requests to addresses out of variables: registries and servers are named by users
set -eu
cd "$(dirname "$0")/.."
off=G103,G104,G115,G204,G301,G302,G304,G306,G702,G703,G704
# Programs of the tests are given nothing by others.
# shellcheck disable=SC2086 # TAGS is a list of words
${GO:-go} run github.com/securego/gosec/v2/cmd/gosec@v2.25.0 -quiet -fmt=text -color=false -exclude-generated -exclude-dir=e2e -exclude="$off" ${TAGS:-} ./...
# Known vulnerabilities, by a copy of the database at vuln.go.dev: VULNDB=file:///DIR
if [ -n "${VULNDB:-}" ]; then
	# shellcheck disable=SC2086
	${GO:-go} run golang.org/x/vuln/cmd/govulncheck@v1.8.0 -db "$VULNDB" ${TAGS:-} ./...
fi
