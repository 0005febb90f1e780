package meta

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Splice lets the kernel copy up to n bytes at off to w, at w's position, and
// returns how many it copied. A file system that can makes the files share the
// bytes instead, where off and w's position are as far from the start of one
// of its blocks. That takes files at both ends; where it cannot go on, for
// whatever reason, the caller copies the rest, and learns the reason if that
// fails too.
func (s Source) Splice(w io.Writer, off, n uint64) (done uint64) {
	to, ok := w.(*os.File)
	from, start := file(s.R)
	if !ok || from == nil || !Within(off, n, s.Size) {
		return 0
	}
	pos := start + int64(off)
	for done < n {
		k, err := unix.CopyFileRange(int(from.Fd()), &pos, int(to.Fd()), nil, int(n-done), 0)
		if err != nil || k <= 0 {
			break
		}
		done += uint64(k)
	}
	return done
}

// file returns the file that r reads, nil if it reads none, and where in it
// r's first byte is.
func file(r io.ReaderAt) (f *os.File, start int64) {
	for {
		section, ok := r.(*io.SectionReader)
		if !ok {
			break
		}
		outer, off, _ := section.Outer()
		r, start = outer, start+off
	}
	f, _ = r.(*os.File)
	return f, start
}
