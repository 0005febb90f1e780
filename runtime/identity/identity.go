// Package identity decides who the payload of a container is, and which
// capabilities it has.
//
// Input: what the user asked for, and facts of the host. Output: ids, how they
// are mapped (user_namespaces(7)), and sets of capabilities. It is pure.
package identity

import (
	"fmt"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/account"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/starter/plan"
)

// Wish is what the user asked for.
type Wish struct {
	Userns   bool // a user namespace even as root
	Fakeroot bool // to be root inside
	// UID, unless nil, is who the payload is to be; GIDs are its groups, its own
	// first, and none means the caller's.
	UID  *uint32
	GIDs []uint32
	// AddCaps and DropCaps are lists of capabilities (plan.ParseCaps).
	AddCaps, DropCaps string
	KeepPrivs         bool // root keeps its capabilities, which is the default
	NoPrivs           bool // root has no capabilities
	AllowSetuid       bool // set-user-ID programs work
}

// Identity is who the payload is.
type Identity struct {
	UID, GID   uint32 // inside, while the container is made
	User       bool   // in a user namespace of its own
	UIDs, GIDs []plan.IDMap
	// Payload, unless nil, is who the payload becomes instead of UID and GID.
	Payload *plan.User
	// Account is the account on the host whose name and home directory the
	// payload has; Home is the path of that inside.
	Account account.User
	Home    string
	// KeepCaps is the argument of plan.Dropcaps. RaiseCaps is that of
	// plan.Raisecaps: what a payload that is not root is to keep. SetupCaps is
	// plan.Clone.Caps: what the starter has to have for that.
	KeepCaps, RaiseCaps, SetupCaps string
	// Setuid says that set-user-ID programs work.
	Setuid bool
	// Why says which rules this follows from.
	Why Why
}

// Why says which rules an identity follows from, in the words of the user's options.
type Why struct{ IDs, User, Map, Home, Caps string }

// Ranged says whether more ids than the caller's are mapped.
func (id *Identity) Ranged() bool { return len(id.UIDs) > 1 }

// Groups lists the groups to name. In a user namespace the kernel shows
// supplementary groups as 65534, yet programs that ask by name expect them.
func (id *Identity) Groups(f *host.Facts) []uint32 {
	uid, gid := id.Inside()
	if uid == 0 {
		return nil
	}
	groups := f.Groups
	if id.Payload != nil {
		groups = id.Payload.Groups
	}
	ids := []uint32{gid}
	for _, g := range groups {
		if g != gid && (g != f.GID || id.Payload != nil) { // the caller's own is gid inside
			ids = append(ids, g)
		}
	}
	return ids
}

// MinRange is the number of subordinate ids that make a range worth using: a
// distribution's own accounts and nobody, 65534, must fit.
const MinRange = 65536

// Of decides on ids and user namespace. Identity comes from the caller
// alone and never from the image. The caller's ids are kept, since MPI and
// file servers compare them; --fakeroot alone makes them 0.
func Of(w Wish, f *host.Facts) (Identity, error) {
	id := Identity{UID: f.UID, GID: f.GID, Account: f.User, Home: f.User.Home}
	id.Why = Why{IDs: "the caller's", Map: "the caller's id alone", Home: "the caller's account"}
	switch {
	case f.UID == 0 && f.Admin && !w.Userns:
		id.Why.User = "root needs none" // and is better than a pretended one
	case w.Userns:
		id.User, id.Why.User = true, "--userns"
	default:
		id.User, id.Why.User = true, "an ordinary user may mount in one only"
	}
	if id.User && !f.UserNS && !f.Admin {
		return id, hint.New("user namespaces are switched off on this machine",
			"ask the administrator for sysctl user.max_user_namespaces > 0 and, on Debian, kernel.unprivileged_userns_clone=1")
	}
	if w.Fakeroot {
		id.UID, id.GID, id.Why.IDs = 0, 0, "--fakeroot"
	}
	if id.UID == 0 {
		id.Home, id.Why.Home = "/root", "root's"
	}
	if id.User && w.Fakeroot {
		id.addRanges(f)
	}
	if err := id.become(w, f); err != nil {
		return id, err
	}
	if id.User {
		id.UIDs = append([]plan.IDMap{{Inside: id.UID, Outside: f.UID, Size: 1}}, id.UIDs...)
		id.GIDs = append([]plan.IDMap{{Inside: id.GID, Outside: f.GID, Size: 1}}, id.GIDs...)
	}
	return id, id.capabilities(w, f)
}

// become decides on the user and the groups that the wish names. Where root is
// mapped among other ids, or real, the payload becomes them; where one id is
// mapped, the caller appears as them. None of this makes files somebody else's.
func (id *Identity) become(w Wish, f *host.Facts) error {
	if w.UID == nil && len(w.GIDs) == 0 {
		return nil
	}
	id.Why.IDs = "--security uid or gid"
	uid, gid, ranged := id.UID, id.GID, len(id.UIDs) > 0
	if w.UID != nil {
		uid = *w.UID
	}
	if len(w.GIDs) > 0 {
		gid = w.GIDs[0]
	}
	switch {
	case id.User && !ranged && w.Fakeroot:
		return hint.New("--security uid and gid: with --fakeroot only root is mapped here",
			"leave out one of them, or have the administrator give you ranges of ids in /etc/subuid and /etc/subgid")
	case id.User && !ranged && (uid == 0 && f.UID != 0 || len(w.GIDs) > 1):
		return hint.New("--security uid and gid: an ordinary user can appear as one other user with one group, and not as root",
			"use --fakeroot to be root, or leave the other groups out")
	case id.User && !ranged:
		id.UID, id.GID = uid, gid
		return nil
	}
	groups := w.GIDs
	if len(groups) == 0 {
		groups = []uint32{gid}
	}
	if err := id.mapped(uid, groups); err != nil {
		return err
	}
	id.Payload = &plan.User{UID: uid, GID: gid, Groups: groups}
	id.accountOf(uid, f)
	return nil
}

// mapped refuses ids that the ranges do not hold.
func (id *Identity) mapped(uid uint32, groups []uint32) error {
	if !id.User {
		return nil
	}
	within := func(n uint32, maps []plan.IDMap) bool {
		return n == 0 || n >= maps[0].Inside && n-maps[0].Inside < maps[0].Size
	}
	fine := within(uid, id.UIDs)
	for _, gid := range groups {
		fine = fine && within(gid, id.GIDs)
	}
	if fine {
		return nil
	}
	return hint.New(fmt.Sprintf("--security uid and gid: the highest ids that are mapped are user %d and group %d", id.UIDs[0].Size, id.GIDs[0].Size),
		"choose lower ones, or have the administrator make your ranges in /etc/subuid and /etc/subgid larger")
}

// accountOf has the payload live in the home directory that the host's file says
// uid has, if any. In a user namespace it has nothing to do with that account.
func (id *Identity) accountOf(uid uint32, f *host.Facts) {
	if uid == 0 {
		return
	}
	id.Account, id.Home, id.Why.Home = account.User{}, "/", "--security uid"
	if id.User {
		return
	}
	if text, err := f.ReadFile("/etc/passwd", maxAccounts); err == nil {
		if a, known := account.Find(text, uid); known {
			id.Account, id.Home = a, a.Home
		}
	}
}

// maxAccounts bounds the host's passwd file, in bytes.
const maxAccounts = 16 << 20

// Inside returns the ids of the payload.
func (id *Identity) Inside() (uid, gid uint32) {
	if id.Payload != nil {
		return id.Payload.UID, id.Payload.GID
	}
	return id.UID, id.GID
}

// addRanges maps the ids from 1 on to subordinate ones, when the caller has
// enough of both kinds and the programs that may map them.
func (id *Identity) addRanges(f *host.Facts) {
	u, okU := bigRange(f.SubUIDs)
	g, okG := bigRange(f.SubGIDs)
	if !okU || !okG || f.NewUIDMap == "" || f.NewGIDMap == "" {
		return
	}
	id.Why.Map = "--fakeroot, and ranges of ids in /etc/subuid and /etc/subgid"
	id.UIDs = append(id.UIDs, plan.IDMap{Inside: 1, Outside: u.First, Size: u.Count})
	id.GIDs = append(id.GIDs, plan.IDMap{Inside: 1, Outside: g.First, Size: g.Count})
}

func bigRange(rs []host.Range) (host.Range, bool) {
	for _, r := range rs {
		if r.Count >= MinRange {
			return r, true
		}
	}
	return host.Range{}, false
}
