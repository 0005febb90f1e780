package main

import (
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/plan"
)

// dropCaps leaves this thread, and whatever it executes, with the capabilities
// in keep, a list of names joined by commas or all (capabilities(7)). The
// process's other threads keep theirs; forbidTracing shields those.
func dropCaps(keep string) error {
	kept, err := plan.ParseCaps(keep)
	if err != nil {
		return unix.EINVAL
	}
	if err := clearAmbient(); err != nil {
		return err
	}
	// The bounding set first: dropping from it needs CAP_SETPCAP.
	if err := dropBounding(kept); err != nil {
		return err
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData // capabilities 0–31 and 32–63
	if err := unix.Capget(&hdr, &sets[0]); err != nil {
		return err
	}
	for i := range sets {
		mask := uint32(kept >> (32 * i))
		sets[i].Permitted &= mask
		sets[i].Effective &= mask
		sets[i].Inheritable = 0
	}
	if err := unix.Capset(&hdr, &sets[0]); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

func clearAmbient() error {
	err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	if err == unix.EINVAL { // before Linux 4.3 there is no such set
		return nil
	}
	return err
}

func dropBounding(kept uint64) error {
	for c := range 64 {
		if kept&(1<<c) != 0 {
			continue
		}
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0)
		if err == unix.EINVAL { // c is beyond the kernel's last
			return nil
		}
		if err == nil && has == 1 {
			err = unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
