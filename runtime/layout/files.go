package layout

import (
	"io/fs"
	"path"
	"strings"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/view"
	"github.com/sealift/sealift/starter/plan"
)

// maxAccounts bounds the image's passwd and group files, in bytes. Larger ones
// are left as they are.
const maxAccounts = 1 << 20

// Replace has the image show the file name with a new content.
func (l *Layout) Replace(name string, change func(string) string) {
	at, err := l.Tree.Resolve(name)
	if err != nil || !at.Found || !at.Mode.IsRegular() || l.Tree.Governing(at.Path).From != view.Image {
		return
	}
	text, err := image.ReadFile(l.Image.FS, view.Relative(at.Path), maxAccounts)
	if err != nil || strings.IndexByte(string(text), 0) >= 0 {
		l.Note("%s of the image is unreadable or too large and does not name you", name)
		return
	}
	l.Extras = append(l.Extras, plan.Do(plan.Write, at.Path, "0644", change(string(text))))
	l.Tree.Make(at.Path, fs.FileMode(0o644))
}

// UncoverLink has the image server show an empty file where the image has a
// symbolic link. Mounted on what the link leads to, a host file would replace
// a time zone of the image, or need a directory in /run.
func (l *Layout) UncoverLink(name string) {
	dir, err := l.Tree.Resolve(path.Dir(name))
	if err != nil || !dir.Found || !l.Served() {
		return
	}
	target := path.Join(dir.Path, path.Base(name))
	if l.Tree.Governing(target).From != view.Image {
		return
	}
	mode, found, err := l.Tree.Lstat(target)
	if err != nil || !found || mode.Type() != fs.ModeSymlink {
		return
	}
	l.Extras = append(l.Extras, plan.Do(plan.Write, target, "0644", ""))
	l.Tree.Make(target, 0o644)
}

// Visible says whether target already shows the host's source.
func (l *Layout) Visible(source, target string) bool {
	at, err := l.Tree.Resolve(target)
	if err != nil || !at.Found {
		return false
	}
	m := l.Tree.Governing(at.Path)
	return m.From == view.Host && m.HostPath(at.Path) == source
}
