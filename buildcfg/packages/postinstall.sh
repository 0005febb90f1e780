#!/bin/sh
# Where AppArmor may keep users from making user namespaces (Ubuntu 23.10 and later), its
# profile allows them to Sealift. Older AppArmor neither needs nor reads it.
set -e
if [ -e /etc/apparmor.d/abi/4.0 ] && [ ! -e /etc/apparmor.d/sealift ]; then
	cp /usr/share/sealift/apparmor /etc/apparmor.d/sealift
fi
if [ -e /etc/apparmor.d/sealift ] && [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ] &&
	command -v apparmor_parser >/dev/null; then
	apparmor_parser -r /etc/apparmor.d/sealift || echo "sealift: AppArmor's profile could not be loaded; 'sealift doctor' tells what it is for" >&2
fi
