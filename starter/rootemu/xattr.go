package rootemu

import (
	"bytes"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/owner"
	"github.com/sealift/sealift/starter/rootemu/memory"
)

// maxAttribute is the longest name of an attribute with its NUL
// (XATTR_NAME_MAX).
const maxAttribute = 256

// setxattr answers setxattr(2), lsetxattr(2) and fsetxattr(2). The attributes
// that only the initial namespace's superuser sets are granted and forgotten:
// an image has no use for security labels, and those in trusted are for the
// file system that the image is unpacked on. File capabilities are kept by the
// kernel itself.
func setxattr(l func(a *[6]uint64) lookup) handler {
	return func(w *worker, a *[6]uint64) answer {
		name, err := memory.String(w.pid, a[1], maxAttribute)
		if err != nil || name == capability {
			return carryOn()
		}
		special := strings.HasPrefix(name, "security.") || strings.HasPrefix(name, "trusted.")
		if !special || !w.inRegion(l(a)) {
			return carryOn()
		}
		c, err := w.creds()
		if err == nil && !c.Privileged() {
			err = unix.EPERM
		}
		return failed(err)
	}
}

// inRegion tells whether the file that l names is in the region.
func (w *worker) inRegion(l lookup) bool {
	if !w.region.Limited() {
		return true
	}
	p, err := w.at(l)
	if err != nil {
		return false
	}
	f, err := w.openFile(p)
	if err != nil {
		return false
	}
	defer f.close()
	return w.region.Holds(&f.st)
}

// byPath, byLink and byFD are how the calls about attributes name a file.
func byPath(a *[6]uint64) lookup { return lookup{unix.AT_FDCWD, a[0], true, false} }
func byLink(a *[6]uint64) lookup { return lookup{unix.AT_FDCWD, a[0], false, false} }
func byFD(a *[6]uint64) lookup   { return lookup{dir: int32(a[0]), empty: true} }

// listxattr hides this program's own attributes, lest they be copied from file
// to file.
func listxattr(l func(a *[6]uint64) lookup) handler {
	return func(w *worker, a *[6]uint64) answer {
		p, err := w.at(l(a))
		if err != nil {
			return carryOn()
		}
		f, err := w.openFile(p)
		if err != nil {
			return carryOn()
		}
		defer f.close()
		name, err := w.path(f)
		if err != nil {
			return carryOn()
		}
		b := make([]byte, 64<<10) // XATTR_LIST_MAX
		n, err := unix.Listxattr(name, b)
		if err != nil || !bytes.Contains(b[:n], []byte(owner.Prefix)) {
			return carryOn()
		}
		shown := visible(b[:n])
		switch size := a[2]; {
		case size == 0:
			return answer{value: int64(len(shown))}
		case size < uint64(len(shown)):
			return failed(unix.ERANGE)
		}
		if err := w.listener.Valid(w.id); err != nil {
			return failed(err)
		}
		if err := memory.Write(w.pid, a[1], shown); err != nil {
			return failed(err)
		}
		return answer{value: int64(len(shown))}
	}
}

// visible returns the names in list, each ended by a NUL, that are not this
// program's own.
func visible(list []byte) []byte {
	var shown []byte
	for name := range bytes.SplitAfterSeq(list, []byte{0}) {
		if !bytes.HasPrefix(name, []byte(owner.Prefix)) {
			shown = append(shown, name...)
		}
	}
	return shown
}
