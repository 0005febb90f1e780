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

// Replace has the image show the file name with the content that change makes of
// its own. Where the image has nothing to read there, but for instance a link that
// leads nowhere or a FIFO, change gets text instead, unless that is empty, and the
// image server shows a file in its place.
func (l *Layout) Replace(name, text string, change func(string) string) {
	if at, err := l.Tree.Resolve(name); err == nil && at.Found && at.Mode.IsRegular() && l.Tree.Governing(at.Path).From == view.Image {
		own, err := image.ReadFile(l.Image.FS, view.Relative(at.Path), maxAccounts)
		if err != nil || strings.IndexByte(string(own), 0) >= 0 {
			l.Note("%s of the image is unreadable or too large and does not name you", name)
			return
		}
		l.show(at.Path, change(string(own)))
		return
	}
	target, mode, ok := l.entry(name)
	switch {
	case text == "" || !ok:
	case mode.IsDir():
		l.Note("%s of the image is a directory and does not name you", name)
	default:
		l.show(target, change(text))
	}
}

// show has a file of this content at a canonical path.
func (l *Layout) show(target, content string) {
	l.Extras = append(l.Extras, plan.Do(plan.Write, target, "0644", content))
	l.Tree.Make(target, 0o644)
}

// Linkable says whether Link can put a link in the place of a name.
func (l *Layout) Linkable(name string) bool {
	_, mode, ok := l.entry(name)
	return ok && !mode.IsDir()
}

// Link has the image server show a symbolic link.
func (l *Layout) Link(name, text string) {
	if target, _, ok := l.entry(name); ok {
		l.Extras = append(l.Extras, plan.Do(plan.Symlink, target, text))
		l.Tree.Link(target, text)
	}
}

// entry returns the place of a name itself, be it that of a link, in a served
// image, and what is there: nothing has no mode.
func (l *Layout) entry(name string) (target string, mode fs.FileMode, ok bool) {
	dir, err := l.Tree.Resolve(path.Dir(name))
	if err != nil || dir.Found && !dir.Mode.IsDir() || !l.Served() {
		return "", 0, false
	}
	target = path.Join(dir.Path, path.Base(name))
	if l.Tree.Governing(target).From != view.Image {
		return "", 0, false
	}
	mode, _, err = l.Tree.Lstat(target)
	return target, mode, err == nil
}

// Provide has the image show a file with this content, in the place of any file or
// link that it has there, or nowhere: a directory, or what is mounted on it, stays.
func (l *Layout) Provide(name, content string) {
	dir, err := l.Tree.Resolve(path.Dir(name))
	if err != nil {
		l.Note("%s is not the container's own: %v", name, err)
		return
	}
	target := path.Join(dir.Path, path.Base(name))
	mode, found, err := l.Tree.Lstat(target)
	if err != nil || found && mode.IsDir() || l.Tree.Governing(target).From != view.Image {
		l.Note("%s is not the container's own: it is a directory in the container, or was mounted", name)
		return
	}
	l.Extras = append(l.Extras, plan.WriteFile(target, "0644", content))
	l.Tree.Make(target, 0o644)
}

// Alias has a symbolic link in the container, in the place of any file or link that the
// image has there. It says whether that is possible.
func (l *Layout) Alias(name, text string) bool {
	target, ok := l.AliasPoint(name)
	if ok {
		l.AliasAt(target, text)
	}
	return ok
}

// AliasPoint returns where a link of this name would be. It says whether there can be
// one: not where a directory is, or something mounted, and not in an image that is
// itself written to.
func (l *Layout) AliasPoint(name string) (target string, ok bool) {
	dir, err := l.Tree.Resolve(path.Dir(name))
	if err != nil || dir.Found && !dir.Mode.IsDir() || l.InPlace {
		return "", false
	}
	target = path.Join(dir.Path, path.Base(name))
	if l.Tree.Governing(target).From != view.Image {
		return "", false
	}
	mode, found, err := l.Tree.Lstat(target)
	return target, err == nil && !(found && mode.IsDir())
}

// AliasAt has a symbolic link at what AliasPoint returned.
func (l *Layout) AliasAt(target, text string) {
	l.Extras = append(l.Extras, plan.Do(plan.Symlink, target, text))
	l.Tree.Link(target, text)
}

// UncoverLink has the image server show an empty file where the image has a
// symbolic link. Mounted on what the link leads to, a host file would replace
// a time zone of the image, or need a directory in /run.
func (l *Layout) UncoverLink(name string) {
	if target, mode, ok := l.entry(name); ok && mode.Type() == fs.ModeSymlink {
		l.show(target, "")
	}
}

// Visible says whether target already shows the host's source.
func (l *Layout) Visible(source, target string) bool {
	at, err := l.Tree.Resolve(target)
	if err != nil || !at.Found {
		return false
	}
	m := l.Tree.Governing(at.Path)
	return m.From == view.Host && m.SourcePath(at.Path) == source
}
