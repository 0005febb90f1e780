package mounts

import (
	"strconv"

	"github.com/sealift/sealift/runtime/account"
)

// Accounts makes the caller known in the container: the image's passwd(5) and
// group(5), in which lines for the same ids or names give way to the caller's.
// Root is known to every image, and changes only when --home does, and where root's
// changes are not kept: it may add users then. Where an image that is served has no
// such file, it gets one.
func (p *Planner) Accounts() {
	uid, gid := p.id.Inside()
	p.Because("the caller's account")
	switch {
	case uid != 0:
		p.Replace("/etc/passwd", rootUser, func(text string) string { return account.AddUser(text, p.user(), uid, gid) })
	case p.wish.Home != "" && !p.Kept:
		p.Replace("/etc/passwd", "", func(text string) string {
			root, known := account.Find(text, 0)
			if !known {
				return text
			}
			root.Home = p.id.Home
			return account.AddUser(text, root, 0, 0)
		})
	}
	names := p.groups()
	if len(names) > 0 {
		p.Replace("/etc/group", rootGroup, func(text string) string { return account.AddGroups(text, p.user().Name, names, p.id.Groups(p.Facts)) })
	}
}

// What there is besides the caller in files that an image lacks.
const (
	rootUser  = "root:x:0:0:root:/root:/bin/sh\n"
	rootGroup = "root:x:0:\n"
)

// user is the caller's account with the home and a shell of the container.
func (p *Planner) user() account.User {
	u := p.id.Account
	if u.Name == "" {
		uid, _ := p.id.Inside()
		u.Name = "user" + strconv.FormatUint(uint64(uid), 10)
	}
	u.Home = p.id.Home
	if u.Shell == "" || !p.Tree.IsFile(u.Shell) {
		u.Shell = "/bin/sh"
	}
	return u
}

func (p *Planner) groups() map[uint32]string {
	names := map[uint32]string{}
	_, gid := p.id.Inside()
	for _, id := range p.id.Groups(p.Facts) {
		name := p.Facts.GroupNames[id]
		if name == "" && id == gid {
			name = p.user().Name
		}
		if name != "" {
			names[id] = name
		}
	}
	return names
}
