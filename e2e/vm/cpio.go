package vm

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// archive writes an archive of cpio's that the kernel unpacks to its first root file
// system (early-userspace/buffer-format of the kernel's documentation).
type archive struct {
	w    io.Writer
	n    int64 // bytes written
	ino  int
	made map[string]bool // directories
	err  error
}

const (
	dirMode  = 0o040755
	fileMode = 0o100000
	linkMode = 0o120777
)

// entry writes one file, of a text of size bytes.
func (a *archive) entry(name string, mode uint32, size int64, text io.Reader) {
	if dir := path.Dir(name); dir != "." && !a.made[dir] {
		a.dir(dir)
	}
	a.ino++
	a.print("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00", a.ino, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name)+1, 0, name)
	a.pad()
	if a.err == nil {
		var n int64
		n, a.err = io.Copy(a.w, io.LimitReader(text, size))
		a.n += n
	}
	a.pad()
}

func (a *archive) print(format string, args ...any) {
	if a.err == nil {
		var n int
		n, a.err = fmt.Fprintf(a.w, format, args...)
		a.n += int64(n)
	}
}

// pad goes on to a multiple of four bytes.
func (a *archive) pad() { a.print("%s", strings.Repeat("\x00", int(-a.n&3))) }

func (a *archive) dir(name string) {
	a.made[name] = true
	a.entry(name, dirMode, 0, strings.NewReader(""))
}

func (a *archive) text(name string, perm uint32, text string) {
	a.entry(name, fileMode|perm, int64(len(text)), strings.NewReader(text))
}

func (a *archive) link(name, target string) {
	a.entry(name, linkMode, int64(len(target)), strings.NewReader(target))
}

// file copies a file of the host.
func (a *archive) file(name, from string) {
	f, err := os.Open(from)
	if err == nil {
		defer f.Close()
		var info os.FileInfo
		if info, err = f.Stat(); err == nil {
			a.entry(name, fileMode|uint32(info.Mode().Perm()), info.Size(), f)
		}
	}
	if err != nil && a.err == nil {
		a.err = err
	}
}
