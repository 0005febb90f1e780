// Package confine takes from the calling thread what the payload is not to
// have, and gives it what it is to have: capabilities, and the label of a
// security module.
//
// Input: the arguments of operations of a plan. Output: attributes of this
// thread, which must be locked to its goroutine and which whatever it executes
// inherits; the process's other threads keep theirs. The package decides
// nothing, and must not print.
package confine

import (
	"math/bits"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/plan"
)

// Drop leaves this thread, and whatever it executes, with the capabilities in
// keep (plan.ParseCaps). Those in spare stay permitted, if they are, for this
// thread alone (capabilities(7)).
func Drop(keep, spare string) error {
	kept, err := plan.ParseCaps(keep)
	spared, err2 := plan.ParseCaps(spare)
	if err != nil || err2 != nil {
		return unix.EINVAL
	}
	if err := clearAmbient(); err != nil {
		return err
	}
	// The bounding set first: dropping from it needs CAP_SETPCAP.
	if err := dropBounding(kept); err != nil {
		return err
	}
	return change(func(s *sets) {
		s.permitted &= kept | spared
		s.effective &= kept | spared
		s.inheritable = 0
	})
}

// Raise has a payload that is not root keep permitted capabilities. EPERM: one
// of them is not permitted.
func Raise(list string) error {
	raised, err := plan.ParseCaps(list)
	if err != nil {
		return unix.EINVAL
	}
	if err := change(func(s *sets) { s.inheritable |= raised }); err != nil {
		return err
	}
	for raised != 0 {
		c := bits.TrailingZeros64(raised)
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(c), 0, 0); err != nil {
			return err
		}
		raised &^= 1 << c
	}
	return nil
}

// NoNewPrivs keeps this thread, and whatever it executes, from getting
// privileges by executing a program (PR_SET_NO_NEW_PRIVS(2const)).
func NoNewPrivs() error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }

// sets are three of a thread's sets of capabilities, as bits.
type sets struct{ permitted, effective, inheritable uint64 }

// change applies edit to the sets of this thread.
func change(edit func(*sets)) error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // capabilities 0–31 and 32–63
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return err
	}
	join := func(low, high uint32) uint64 { return uint64(high)<<32 | uint64(low) }
	s := sets{
		join(data[0].Permitted, data[1].Permitted), join(data[0].Effective, data[1].Effective),
		join(data[0].Inheritable, data[1].Inheritable),
	}
	edit(&s)
	for i := range data {
		shift := 32 * i
		data[i] = unix.CapUserData{
			Permitted: uint32(s.permitted >> shift), Effective: uint32(s.effective >> shift), Inheritable: uint32(s.inheritable >> shift),
		}
	}
	return unix.Capset(&hdr, &data[0])
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
		err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0)
		switch err {
		case unix.EINVAL: // c is beyond the kernel's last
			return nil
		case unix.EPERM:
			// Without CAP_SETPCAP, it is enough that c is not there.
			if has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0); err == nil && has == 0 {
				continue
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
