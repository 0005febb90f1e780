package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/tree"
)

// WriteOptions say what WriteTree may do; both need root.
type WriteOptions struct {
	// Chown gives every file the owner and group of its node. Without it, they
	// are written down in attributes, which ReadTree reads (starter/owner).
	Chown bool
	// Devices makes block and character devices. Whiteouts of overlayfs, character
	// devices 0:0 that anybody may make, are made anyway.
	Devices bool
}

// Report counts what of a tree WriteTree left out.
type Report struct {
	// Devices were skipped for want of WriteOptions.Devices.
	Devices int
	// Xattrs were refused by the kernel or the file system.
	Xattrs int
	// SetIDs are programs that lost their set-user-ID and set-group-ID bits
	// for want of WriteOptions.Chown: with them, and the caller as owner,
	// anyone who can reach the directory could act as the caller.
	SetIDs int
}

// Warnings returns one line for each kind of loss in the report.
func (r Report) Warnings() []string {
	var lines []string
	for _, w := range []struct {
		n      int
		format string
	}{
		{r.Devices, "%d device nodes left out, which takes root to make"},
		{r.SetIDs, "%d programs lost their set-user-ID bits, which would give others your rights"},
		{r.Xattrs, "%d extended attributes left out, which the file system or kernel refused"},
	} {
		if w.n > 0 {
			lines = append(lines, fmt.Sprintf(w.format, w.n))
		}
	}
	return lines
}

// WriteTree writes the tree below the empty directory dir. Contents must be
// tree.Openers; runs of zeros in them become holes. Files appear with mode
// 0600 and directories with 0700 until they are complete. Nothing is written
// through a symbolic link. On error dir is left as far as it came.
func WriteTree(ctx context.Context, root *tree.Node, dir *os.File, o WriteOptions) (Report, error) {
	w := &treeWriter{
		ctx: ctx, opts: o, root: resolver{root: dir},
		buf: make([]byte, copySize), zeros: make([]byte, copySize), first: make(map[*tree.Node]*place),
	}
	err := w.start(root, dir)
	if err != nil {
		err = fmt.Errorf("write directory %s: %w", dir.Name(), err)
	}
	return w.report, err
}

// Room returns how many bytes the tree takes at most where WriteTree writes it, with
// what a file system needs for each file.
func Room(root *tree.Node) int64 {
	const block, perFile = 4096, 1024
	total := int64(0)
	seen := map[*tree.Node]bool{}
	for _, n := range root.Walk() {
		if !seen[n] {
			seen[n] = true
			total += (n.Size()+block-1)/block*block + perFile
		}
	}
	return total
}

// copySize is the unit of copies and of holes, in bytes.
const copySize = 128 << 10

type treeWriter struct {
	ctx        context.Context
	opts       WriteOptions
	root       resolver
	report     Report
	buf, zeros []byte
	first      map[*tree.Node]*place // where each file was written first
}

// place is a name in a directory, below others up to the root, which is nil.
type place struct {
	dir  *place
	name string
}

func (p *place) String() string {
	if p == nil {
		return "."
	}
	return join(p.dir.String(), p.name)
}

func (w *treeWriter) start(root *tree.Node, dir *os.File) error {
	if root.Mode&tree.TypeMask != tree.TypeDir {
		return fail("write", ".", unix.ENOTDIR)
	}
	if _, err := dir.Readdirnames(1); err != io.EOF {
		return errors.Join(err, errors.New("it is not empty"))
	}
	if err := w.entries(int(dir.Fd()), root, nil); err != nil {
		return err
	}
	return fail("write", ".", w.finish(int(dir.Fd()), ".", root))
}

func (w *treeWriter) entries(dir int, n *tree.Node, at *place) error {
	for _, name := range slices.Sorted(maps.Keys(n.Entries)) {
		here := &place{at, name}
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
			return fail("write", at.String(), fmt.Errorf("it has an entry %q", name))
		}
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.entry(dir, n.Entries[name], here); err != nil {
			return err
		}
	}
	return nil
}

// entry writes one node and all below it.
func (w *treeWriter) entry(dir int, n *tree.Node, at *place) error {
	kind := n.Mode & tree.TypeMask
	if (kind == tree.TypeBlock || kind == tree.TypeChar) && !w.opts.Devices && !n.IsWhiteout() {
		w.report.Devices++
		return nil
	}
	if kind == tree.TypeDir {
		if err := w.directory(dir, n, at); err != nil {
			return err
		}
		return fail("write", at.String(), w.finish(dir, at.name, n))
	}
	if first := w.first[n]; first != nil {
		return fail("link", at.String(), w.link(first, dir, at.name))
	}
	err := w.file(dir, n, at.name)
	if err == unix.EPERM && n.IsWhiteout() { // before Linux 5.8
		w.report.Devices++
		return nil
	}
	if err == nil {
		err = w.finish(dir, at.name, n)
	}
	w.first[n] = at
	return fail("write", at.String(), err)
}

func (w *treeWriter) directory(dir int, n *tree.Node, at *place) error {
	if err := unix.Mkdirat(dir, at.name, 0o700); err != nil {
		return fail("mkdir", at.String(), err)
	}
	fd, err := openat(dir, at.name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	if err != nil {
		return fail("open", at.String(), err)
	}
	return errors.Join(w.entries(fd, n, at), unix.Close(fd))
}

// file makes what is not a directory.
func (w *treeWriter) file(dir int, n *tree.Node, name string) error {
	switch kind := n.Mode & tree.TypeMask; kind {
	case tree.TypeRegular:
		return w.regular(dir, n, name)
	case tree.TypeSymlink:
		return unix.Symlinkat(n.Target, dir, name)
	case tree.TypeBlock, tree.TypeChar, tree.TypeFIFO, tree.TypeSocket:
		return unix.Mknodat(dir, name, kind|0o600, int(n.Rdev))
	default:
		return fmt.Errorf("unknown file type %#o", kind)
	}
}

// link adds a name to a file written before, found again without following
// symbolic links.
func (w *treeWriter) link(first *place, dir int, name string) error {
	from, err := w.root.open(first.dir.String(), unix.O_PATH|unix.O_DIRECTORY, noLinks)
	if err != nil {
		return err
	}
	return errors.Join(unix.Linkat(from, first.name, dir, name, 0), unix.Close(from))
}

func (w *treeWriter) regular(dir int, n *tree.Node, name string) error {
	fd, err := unix.Openat(dir, name,
		unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	if n.Content != nil {
		err = w.copy(f, n.Content)
	}
	return errors.Join(err, f.Close())
}

func (w *treeWriter) copy(f *os.File, c tree.Content) error {
	o, ok := c.(tree.Opener)
	if !ok {
		return fmt.Errorf("its content (%T) cannot be opened", c)
	}
	r, err := o.Open()
	if err != nil {
		return err
	}
	size, err := w.copyBlocks(f, r)
	if err == nil && size != c.Size() {
		err = fmt.Errorf("its content has %d bytes instead of %d", size, c.Size())
	}
	if err == nil {
		err = f.Truncate(size) // the last block may be a hole
	}
	return errors.Join(err, r.Close())
}

func (w *treeWriter) copyBlocks(f *os.File, r io.Reader) (size int64, err error) {
	for {
		if err := w.ctx.Err(); err != nil {
			return size, err
		}
		n, err := io.ReadFull(r, w.buf)
		if n > 0 && !bytes.Equal(w.buf[:n], w.zeros[:n]) {
			if _, err := f.WriteAt(w.buf[:n], size); err != nil {
				return size, err
			}
		}
		size += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return size, nil // the caller compares the size
		}
		if err != nil {
			return size, err
		}
	}
}
