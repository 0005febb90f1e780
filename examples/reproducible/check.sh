#!/bin/sh
# Builds twice, in different time zones and with different umasks, and compares.
set -eu
export SOURCE_DATE_EPOCH=1700000000
(umask 077; TZ=Asia/Tokyo sealift build --force --no-cache one.sif reproducible.def "$@")
(umask 002; TZ=America/Lima sealift build --force --no-cache two.sif reproducible.def "$@")
cmp one.sif two.sif
sha256sum one.sif
