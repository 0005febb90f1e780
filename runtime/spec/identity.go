package spec

import (
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/starter/plan"
)

// identity is who the payload is.
type identity struct {
	uid, gid   uint32 // inside
	user       bool   // in a user namespace of its own
	uids, gids []plan.IDMap
	home       string // path inside
	keepCaps   string // argument of Dropcaps
}

// ranged says whether more ids than the caller's are mapped.
func (id *identity) ranged() bool { return len(id.uids) > 1 }

// minRange is the number of subordinate ids that make a range worth using: a
// distribution's own accounts and nobody, 65534, must fit.
const minRange = 65536

// identify decides on ids and user namespace. Identity comes from the caller
// alone and never from the image. The caller's ids are kept, since MPI and
// file servers compare them; --fakeroot alone makes them 0.
func identify(r *Request, f *host.Facts) (identity, error) {
	id := identity{uid: f.UID, gid: f.GID, home: f.User.Home}
	id.user = r.Userns || r.Fakeroot || !f.Admin || f.UID != 0
	if f.UID == 0 && r.Fakeroot && f.Admin && !r.Userns {
		id.user = false // real root is better than a pretended one
	}
	if id.user && !f.UserNS && !f.Admin {
		return id, hint.New("user namespaces are switched off on this machine",
			"ask the administrator for sysctl user.max_user_namespaces > 0 and, on Debian, kernel.unprivileged_userns_clone=1")
	}
	if r.Fakeroot {
		id.uid, id.gid = 0, 0
	}
	if id.uid == 0 {
		id.home, id.keepCaps = "/root", "all"
	}
	if id.user {
		id.uids = []plan.IDMap{{Inside: id.uid, Outside: f.UID, Size: 1}}
		id.gids = []plan.IDMap{{Inside: id.gid, Outside: f.GID, Size: 1}}
		if r.Fakeroot {
			id.addRanges(f)
		}
	}
	return id, nil
}

// addRanges maps the ids from 1 on to subordinate ones, when the caller has
// enough of both kinds and the programs that may map them.
func (id *identity) addRanges(f *host.Facts) {
	u, okU := bigRange(f.SubUIDs)
	g, okG := bigRange(f.SubGIDs)
	if !okU || !okG || f.NewUIDMap == "" || f.NewGIDMap == "" {
		return
	}
	id.uids = append(id.uids, plan.IDMap{Inside: 1, Outside: u.First, Size: u.Count})
	id.gids = append(id.gids, plan.IDMap{Inside: 1, Outside: g.First, Size: g.Count})
}

func bigRange(rs []host.Range) (host.Range, bool) {
	for _, r := range rs {
		if r.Count >= minRange {
			return r, true
		}
	}
	return host.Range{}, false
}

// clone returns the namespaces of a request.
func (id *identity) clone(r *Request) plan.Clone {
	return plan.Clone{
		User: id.user, Mount: true, PID: r.newPID(), IPC: r.IPC || r.ContainAll,
		UTS: r.UTS || r.Hostname != "", UIDs: id.uids, GIDs: id.gids,
	}
}
