package mounts

import (
	"strconv"

	"github.com/sealift/sealift/runtime/account"
)

// Accounts makes the caller known in the container: the image's passwd(5) and
// group(5), in which lines for the same ids or names give way to the caller's.
// Root is known to every image, and changes only when --home does. An image
// without the file stays without.
func (p *Planner) Accounts() {
	switch {
	case p.id.UID != 0:
		p.Replace("/etc/passwd", func(text string) string { return account.AddUser(text, p.user(), p.id.UID, p.id.GID) })
	case p.wish.Home != "":
		p.Replace("/etc/passwd", func(text string) string {
			root, known := account.Find(text, 0)
			if !known {
				return text
			}
			root.Home = p.id.Home
			return account.AddUser(text, root, 0, 0)
		})
	}
	if p.wish.Hostname != "" {
		p.Replace("/etc/hostname", func(string) string { return p.wish.Hostname + "\n" })
	}
	names := p.groups()
	if len(names) > 0 {
		p.Replace("/etc/group", func(text string) string { return account.AddGroups(text, p.user().Name, names, p.id.Groups(p.Facts)) })
	}
}

// user is the caller's account with the home and a shell of the container.
func (p *Planner) user() account.User {
	u := p.Facts.User
	if u.Name == "" {
		u.Name = "user" + strconv.FormatUint(uint64(p.Facts.UID), 10)
	}
	u.Home = p.id.Home
	if u.Shell == "" || !p.Tree.IsFile(u.Shell) {
		u.Shell = "/bin/sh"
	}
	return u
}

func (p *Planner) groups() map[uint32]string {
	names := map[uint32]string{}
	for _, id := range p.id.Groups(p.Facts) {
		name := p.Facts.GroupNames[id]
		if name == "" && id == p.id.GID {
			name = p.user().Name
		}
		if name != "" {
			names[id] = name
		}
	}
	return names
}
