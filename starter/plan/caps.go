package plan

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// ParseCaps returns the capabilities that list names, as bits: names joined by
// commas, in either case, with or without cap_ in front; or all.
func ParseCaps(list string) (set uint64, err error) {
	if list == "all" {
		return math.MaxUint64, nil
	}
	names := strings.Fields(capNames)
next:
	for word := range strings.SplitSeq(strings.ToLower(list), ",") {
		if word == "" {
			continue
		}
		for i, name := range names {
			if strings.TrimPrefix(word, "cap_") == name {
				set |= 1 << i
				continue next
			}
		}
		return 0, errors.New("unknown capability " + strconv.Quote(word))
	}
	return set, nil
}

// FormatCaps is the inverse of ParseCaps, for sets of capabilities with names.
func FormatCaps(set uint64) string {
	if set == math.MaxUint64 {
		return "all"
	}
	var have []string
	for i, name := range strings.Fields(capNames) {
		if set&(1<<i) != 0 {
			have = append(have, name)
		}
	}
	return strings.Join(have, ",")
}

// NamedCaps is how many capabilities have names: those from 0 on.
func NamedCaps() int { return len(strings.Fields(capNames)) }

// capNames are the names of capabilities in the order of their numbers
// (include/uapi/linux/capability.h).
const capNames = `chown dac_override dac_read_search fowner fsetid kill setgid
setuid setpcap linux_immutable net_bind_service net_broadcast net_admin net_raw
ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct
sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease
audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm
block_suspend audit_read perfmon bpf checkpoint_restore`
