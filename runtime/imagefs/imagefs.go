// Package imagefs serves one SquashFS image as a read-only FUSE file system
// from inside this process.
//
// Input: a squashfs.Reader, extra entries to show besides or instead of the
// image's own, and the descriptor of a /dev/fuse on which somebody has mounted
// a file system of type fuse. Output: answers to the kernel's requests
// (include/uapi/linux/fuse.h, protocol 7.23 and later) until the file system
// is unmounted.
//
// The image never changes while it is mounted, so the kernel is told to cache
// everything for ever: entries, missing entries, attributes, links, listings
// and pages. It is also told (by ENOSYS) to open and close files without
// asking. The server keeps no table of open files or known inodes: a node id
// is the position of the inode in the image.
//
// The package does not mount, and a process that serves must not touch its own
// mount: the request would wait for a reply that only this process can give.
package imagefs

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/trust/merkle"
	"github.com/sealift/sealift/starter/plan"
)

// Options says what to show and how to serve it.
type Options struct {
	// Extra lists entries shown besides or instead of the image's own, as
	// plan operations applied in order: Mkdir, Mkfile, Write and Symlink.
	// Their targets are absolute paths in the image, and links on the way are
	// followed inside it only. Mkdir and Mkfile leave what exists; Write and
	// Symlink replace it, be it a link itself. Missing parents are made 0755.
	// What is made belongs to 0:0.
	Extra []plan.Op
	// Owner, unless nil, is shown as the owner of every inode instead of the
	// stored ones. That of a regular file or directory which is not 0:0 is then
	// shown as an attribute instead (starter/owner), which overlayfs copies up
	// with the file.
	Owner *Owner
	// Trace, if not nil, is told of each read of a file of the image, and
	// called by several goroutines.
	Trace func(file *squashfs.Inode, off, n int64)
	// Workers is the number of requests answered at the same time; 0 means 4.
	Workers int
}

// Owner is a pair of ids as seen in the user namespace that mounted the file
// system: FUSE maps the ids it is told from there (user_namespaces(7)).
type Owner struct{ UID, GID uint32 }

const defaultWorkers = 4

// Server answers the requests of one mount of one image. Its methods may be
// called at the same time.
type Server struct {
	r     *squashfs.Reader
	super format.Super
	owner *Owner
	// hidesOwners says that owner is shown instead of others.
	hidesOwners bool
	trace       func(file *squashfs.Inode, off, n int64)
	workers     int

	root   node
	extras []*extra
	lists  listings

	flags  atomic.Uint32 // what FUSE_INIT agreed on
	closed atomic.Bool
	wrong  chan *merkle.Mismatch // gets the first that there is
	turn   sync.Mutex            // held by the worker that reads the device

	mu    sync.Mutex // guards what follows
	bell  int        // eventfd that ends wait while there are workers, or -1
	fault error      // the first error the image caused
}

// New returns a Server of the image that r reads. It fails when the image's
// root directory cannot be read or an extra entry cannot be placed.
func New(r *squashfs.Reader, o Options) (*Server, error) {
	s := &Server{r: r, super: r.Super(), owner: o.Owner, trace: o.Trace, workers: o.Workers, bell: -1,
		wrong: make(chan *merkle.Mismatch, 1)}
	s.hidesOwners = o.Owner != nil && !r.OnlyRoot()
	if s.workers <= 0 {
		s.workers = defaultWorkers
	}
	ino, err := r.Inode(r.Root())
	if err != nil {
		return nil, fmt.Errorf("image file system: root directory: %w", err)
	}
	if !ino.IsDir() {
		return nil, errors.New("image file system: the root inode is not a directory")
	}
	s.root = node{id: rootID, ino: ino}
	if err := s.addExtras(o.Extra); err != nil {
		return nil, fmt.Errorf("image file system: %w", err)
	}
	return s, nil
}

// Err returns the first error that the image or its storage caused while it
// was served, or nil. The request in question was answered EIO.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault
}

// errno turns an error of the handlers into the kernel's number. What has none
// is the image's fault: it is kept for Err and becomes EIO.
func (s *Server) errno(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if e, ok := err.(syscall.Errno); ok {
		return e
	}
	if m, ok := errors.AsType[*merkle.Mismatch](err); ok {
		select {
		case s.wrong <- m:
		default: // one is news enough
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == nil {
		s.fault = err
	}
	return syscall.EIO
}

// Sizes of the cache of decoded blocks, in bytes. The kernel caches pages
// itself; this cache only bridges the time between the reads of one block.
const (
	usualCache = 8 << 20
	// shareOfLimit is the part of a memory limit that the cache may take.
	shareOfLimit = 64
)

// CacheBytes returns the size that the cache of decoded blocks should have
// where control groups allow limit bytes of memory, 0 for no limit.
func CacheBytes(limit int64) int64 {
	if limit <= 0 {
		return usualCache
	}
	return max(1, min(usualCache, limit/shareOfLimit))
}

// node is what a node id stands for: an inode of the image, a synthesised one,
// or both when extra entries were merged into an image's directory.
type node struct {
	id  uint64
	ino *squashfs.Inode
	x   *extra
}

// Node ids. The kernel knows the root as 1; an image's inode is its Ref + 2;
// synthesised inodes have the top bit set, which no Ref has.
const (
	rootID   = 1
	refShift = 2
	extraBit = 1 << 63
)

// imageID returns the node id of the image inode at ref.
func (s *Server) imageID(ref format.Ref) uint64 {
	if ref == s.r.Root() {
		return rootID
	}
	return uint64(ref) + refShift
}

// node finds the node with this id. The kernel sends only ids it was given; any
// other is answered like a corrupt inode or ESTALE.
func (s *Server) node(id uint64) (node, error) {
	switch {
	case id == rootID:
		return s.root, nil
	case id&extraBit != 0:
		i := id &^ extraBit
		if i >= uint64(len(s.extras)) {
			return node{}, syscall.ESTALE
		}
		return s.extras[i].node(), nil
	case id < refShift:
		return node{}, syscall.ESTALE
	}
	ino, err := s.r.Inode(format.Ref(id - refShift))
	return node{id: id, ino: ino}, err
}

// lookup finds name in the directory n. A missing one is a bare ENOENT.
func (s *Server) lookup(n node, name string) (node, error) {
	if n.x != nil {
		if c, ok := n.x.children[name]; ok {
			return c.node(), nil
		}
	}
	switch {
	case !n.isDir():
		return node{}, syscall.ENOTDIR
	case len(name) > maxName: // the kernel's own limit for FUSE is higher
		return node{}, syscall.ENAMETOOLONG
	case n.ino == nil:
		return node{}, syscall.ENOENT
	}
	e, err := s.r.Lookup(n.ino, name)
	switch {
	case err == nil:
		return s.node(s.imageID(e.Ref))
	case errors.Is(err, fs.ErrNotExist) && !isIO(err):
		return node{}, syscall.ENOENT
	}
	return node{}, err
}

// isIO says that err comes from reading the image's file. Should that be an
// ENOENT, it must not pass for a name that is not in the image: the kernel
// would remember it.
func isIO(err error) bool {
	_, ok := errors.AsType[*fs.PathError](err)
	return ok
}

func (n node) isDir() bool {
	if n.x != nil {
		return n.x.isDir()
	}
	return n.ino.IsDir()
}

// link returns the text of a symbolic link.
func (n node) link() (string, bool) {
	switch {
	case n.x != nil:
		return n.x.data, n.x.mode&syscall.S_IFMT == syscall.S_IFLNK
	case n.ino.IsSymlink():
		return n.ino.Target, true
	}
	return "", false
}
