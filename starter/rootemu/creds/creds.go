// Package creds is what a process believes to be: the ids that calls set, by the
// kernel's rules, whatever the kernel's own are (credentials(7)).
//
// Input: calls' arguments. Output: Creds, which a process itself carries as a
// number in one of its resource limits.
package creds

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// IDs are a process's user ids, or its group ids (credentials(7)).
type IDs struct{ Real, Effective, Saved, FS uint32 }

// Creds are what a process believes to be. They are compared by value, so the
// groups are kept as a string of four bytes each.
type Creds struct {
	User, Group IDs
	Groups      string
}

// Unset is the id that leaves an id as it is, and none at all (setresuid(2)).
const Unset = ^uint32(0)

// Root returns those of every process that never changed them.
func Root() Creds { return Creds{Groups: PackGroups([]uint32{0})} }

// Privileged stands for CAP_SETUID, CAP_SETGID and CAP_CHOWN: the effective
// user root has them (capabilities(7)).
func (c *Creds) Privileged() bool { return c.User.Effective == 0 }

// Has tells whether id is one of a process's own, to change to without
// privilege.
func (i IDs) Has(id uint32) bool {
	return id == i.Real || id == i.Effective || id == i.Saved
}

// Set is setuid(2) or setgid(2).
func (i IDs) Set(id uint32, privileged bool) (IDs, error) {
	switch {
	case id == Unset:
		return i, unix.EINVAL
	case privileged:
		return IDs{id, id, id, id}, nil
	case id != i.Real && id != i.Saved:
		return i, unix.EPERM
	}
	i.Effective, i.FS = id, id
	return i, nil
}

// SetRE is setreuid(2) or setregid(2).
func (i IDs) SetRE(r, e uint32, privileged bool) (IDs, error) {
	old := i
	if r != Unset {
		if !privileged && r != old.Real && r != old.Effective {
			return old, unix.EPERM
		}
		i.Real = r
	}
	if e != Unset {
		if !privileged && !old.Has(e) {
			return old, unix.EPERM
		}
		i.Effective = e
	}
	if r != Unset || e != Unset && e != old.Real {
		i.Saved = i.Effective
	}
	i.FS = i.Effective
	return i, nil
}

// SetRES is setresuid(2) or setresgid(2).
func (i IDs) SetRES(r, e, s uint32, privileged bool) (IDs, error) {
	for _, id := range [...]uint32{r, e, s} {
		if id != Unset && !privileged && !i.Has(id) {
			return i, unix.EPERM
		}
	}
	for _, p := range [...]struct {
		id *uint32
		to uint32
	}{{&i.Real, r}, {&i.Effective, e}, {&i.Saved, s}} {
		if p.to != Unset {
			*p.id = p.to
		}
	}
	i.FS = i.Effective
	return i, nil
}

// SetFS is setfsuid(2) or setfsgid(2), which cannot fail.
func (i IDs) SetFS(id uint32, privileged bool) IDs {
	if id != Unset && (privileged || i.Has(id) || id == i.FS) {
		i.FS = id
	}
	return i
}

// Member tells whether a process may give its files to the group gid.
func (c *Creds) Member(gid uint32) bool {
	return gid == c.Group.FS || slices.Contains(UnpackGroups(c.Groups), gid)
}

// MayChown is what chown(2) allows for a file of uid and gid. Unset leaves an
// id as it is.
func (c *Creds) MayChown(uid, gid, toUID, toGID uint32) bool {
	if c.Privileged() {
		return true
	}
	return uid == c.User.FS && (toUID == Unset || toUID == uid) &&
		(toGID == Unset || toGID == gid || c.Member(toGID))
}

// PackGroups returns group ids in the form that Creds has them.
func PackGroups(groups []uint32) string {
	b := make([]byte, 0, 4*len(groups))
	for _, g := range groups {
		b = binary.LittleEndian.AppendUint32(b, g)
	}
	return string(b)
}

// UnpackGroups is the inverse of PackGroups.
func UnpackGroups(s string) []uint32 {
	b := []byte(s)
	groups := make([]uint32, len(b)/4)
	for i := range groups {
		groups[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return groups
}
