package spec

import (
	"io/fs"
	"strconv"
	"strings"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/account"
	"github.com/sealift/sealift/runtime/view"
	"github.com/sealift/sealift/starter/plan"
)

// maxAccounts bounds the image's passwd and group files, in bytes. Larger ones
// are left as they are.
const maxAccounts = 1 << 20

// accounts makes the caller known in the container: the image's passwd(5) and
// group(5), in which lines for the same ids or names give way to the caller's.
// Root is known to every image, and changes only when --home does. An image
// without the file stays without.
func (p *planner) accounts() {
	switch {
	case p.id.UID != 0:
		p.replace("/etc/passwd", func(text string) string { return account.AddUser(text, p.user(), p.id.UID, p.id.GID) })
	case p.req.Home != "":
		p.replace("/etc/passwd", func(text string) string {
			root, known := account.Find(text, 0)
			if !known {
				return text
			}
			root.Home = p.id.Home
			return account.AddUser(text, root, 0, 0)
		})
	}
	if p.req.Hostname != "" {
		p.replace("/etc/hostname", func(string) string { return p.req.Hostname + "\n" })
	}
	names := p.groups()
	if len(names) > 0 {
		p.replace("/etc/group", func(text string) string { return account.AddGroups(text, p.user().Name, names, p.id.Groups(p.f)) })
	}
}

// replace has the image show the file name with a new content.
func (p *planner) replace(name string, change func(string) string) {
	at, err := p.tree.Resolve(name)
	if err != nil || !at.Found || !at.Mode.IsRegular() || p.tree.Governing(at.Path).From != view.Image {
		return
	}
	text, err := image.ReadFile(p.img.FS, view.Relative(at.Path), maxAccounts)
	if err != nil || strings.IndexByte(string(text), 0) >= 0 {
		p.note("%s of the image is unreadable or too large and does not name you", name)
		return
	}
	p.extras = append(p.extras, plan.Do(plan.Write, at.Path, "0644", change(string(text))))
	p.tree.Make(at.Path, fs.FileMode(0o644))
}

// user is the caller's account with the home and a shell of the container.
func (p *planner) user() account.User {
	u := p.f.User
	if u.Name == "" {
		u.Name = "user" + strconv.FormatUint(uint64(p.f.UID), 10)
	}
	u.Home = p.id.Home
	if u.Shell == "" || !p.tree.IsFile(u.Shell) {
		u.Shell = "/bin/sh"
	}
	return u
}

func (p *planner) groups() map[uint32]string {
	names := map[uint32]string{}
	for _, id := range p.id.Groups(p.f) {
		name := p.f.GroupNames[id]
		if name == "" && id == p.id.GID {
			name = p.user().Name
		}
		if name != "" {
			names[id] = name
		}
	}
	return names
}
