#!/bin/sh
# Removes AppArmor's profile as it was installed; one that was changed stays. An upgrade
# keeps it ("upgrade" is dpkg's word for that, 1 rpm's).
set -e
case ${1:-remove} in upgrade | 1) exit 0 ;; esac
if cmp -s /usr/share/sealift/apparmor /etc/apparmor.d/sealift; then
	! command -v apparmor_parser >/dev/null || apparmor_parser -R /etc/apparmor.d/sealift 2>/dev/null || :
	rm /etc/apparmor.d/sealift
fi
