// Package identity decides who the payload of a container is.
//
// Input: what the user asked for, and facts of the host. Output: ids, and how
// they are mapped (user_namespaces(7)). It is pure.
package identity

import (
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/starter/plan"
)

// Wish is what the user asked for.
type Wish struct {
	Userns   bool // a user namespace even as root
	Fakeroot bool // to be root inside
}

// Identity is who the payload is.
type Identity struct {
	UID, GID   uint32 // inside
	User       bool   // in a user namespace of its own
	UIDs, GIDs []plan.IDMap
	Home       string // path inside
	KeepCaps   string // argument of plan.Dropcaps
}

// Ranged says whether more ids than the caller's are mapped.
func (id *Identity) Ranged() bool { return len(id.UIDs) > 1 }

// Groups lists the groups to name. In a user namespace the kernel shows
// supplementary groups as 65534, yet programs that ask by name expect them.
func (id *Identity) Groups(f *host.Facts) []uint32 {
	if id.UID == 0 {
		return nil
	}
	ids := []uint32{id.GID}
	for _, g := range f.Groups {
		if g != id.GID {
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
	id := Identity{UID: f.UID, GID: f.GID, Home: f.User.Home}
	id.User = w.Userns || w.Fakeroot || !f.Admin || f.UID != 0
	if f.UID == 0 && w.Fakeroot && f.Admin && !w.Userns {
		id.User = false // real root is better than a pretended one
	}
	if id.User && !f.UserNS && !f.Admin {
		return id, hint.New("user namespaces are switched off on this machine",
			"ask the administrator for sysctl user.max_user_namespaces > 0 and, on Debian, kernel.unprivileged_userns_clone=1")
	}
	if w.Fakeroot {
		id.UID, id.GID = 0, 0
	}
	if id.UID == 0 {
		id.Home, id.KeepCaps = "/root", "all"
	}
	if id.User {
		id.UIDs = []plan.IDMap{{Inside: id.UID, Outside: f.UID, Size: 1}}
		id.GIDs = []plan.IDMap{{Inside: id.GID, Outside: f.GID, Size: 1}}
		if w.Fakeroot {
			id.addRanges(f)
		}
	}
	return id, nil
}

// addRanges maps the ids from 1 on to subordinate ones, when the caller has
// enough of both kinds and the programs that may map them.
func (id *Identity) addRanges(f *host.Facts) {
	u, okU := bigRange(f.SubUIDs)
	g, okG := bigRange(f.SubGIDs)
	if !okU || !okG || f.NewUIDMap == "" || f.NewGIDMap == "" {
		return
	}
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
