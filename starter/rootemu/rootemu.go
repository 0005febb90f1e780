// Package rootemu lets a program that is root of a user namespace with a single
// id do what takes more of them: give files to others, become another user,
// make device nodes.
//
// A seccomp filter (seccomp(2)) on the payload stops the system calls that are
// about owners and ids; threads of this process, its supervisor, carry them out
// or have the kernel carry on (seccomp_unotify(2)). Input: a Mode, and the
// thread that starts the payload. Output: calls that succeed as they would for
// the real root user, and attributes on files (starter/owner) that say what they
// would have done. What a process believes to be is kept in a resource limit of
// the process itself (numbers), so neither fork nor execve has to be watched.
//
// The emulation is no boundary: whoever runs inside may go around it. It grants
// nothing that the kernel would not.
//
// The package must not print, and its threads must not make a call that the
// filter stops on the thread that has the filter. It opens no file through
// package os. Its imports are the standard library's light parts, x/sys/unix
// and starter/owner.
package rootemu

import (
	"encoding/binary"
	"errors"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/rootemu/creds"
	"github.com/sealift/sealift/starter/rootemu/inode"
	"github.com/sealift/sealift/starter/seccomp"
)

// native is the byte order of the architectures with a list of calls.
var native = binary.LittleEndian

// Mode says how much is emulated.
type Mode string

// The modes.
const (
	// Full also shows each file's emulated owner to who asks for it.
	Full Mode = "full"
	// Fast leaves the calls of the family of stat(2) alone: root seems to own
	// every file, though it is written down who does.
	Fast Mode = "fast"
	// Silent says that calls which change owners and ids have succeeded, and
	// does nothing. It is for where user notification is not to be had.
	Silent Mode = "silent"
)

// Emulator is the emulation for one payload. A nil one does nothing.
type Emulator struct {
	mode     Mode
	region   inode.Region
	procfs   int // an O_PATH descriptor of a procfs of this PID namespace
	listener seccomp.Listener
	shared   shared
}

// New prepares an emulation. It must be called while /proc is mounted. Unless
// under is empty, it is a directory, and only files in the file system that is
// mounted there can be given away, or made as what they are not; with others the
// kernel does as ever. The error is EINVAL for an unknown mode, or for Silent,
// which looks at no file, with a directory; ESRCH when /proc is of another PID
// namespace; or what statx(2) says about under.
func New(m Mode, under string) (*Emulator, error) {
	e := &Emulator{mode: m, procfs: -1, listener: -1}
	if m == Silent && under != "" {
		return nil, unix.EINVAL
	}
	switch m {
	case Silent:
		return e, nil
	case Full, Fast:
	default:
		return nil, unix.EINVAL
	}
	var err error
	if e.region, err = inode.RegionOf(under); err != nil {
		return nil, err
	}
	if e.procfs, err = unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return nil, err
	}
	b := make([]byte, 16)
	n, err := unix.Readlinkat(e.procfs, "self", b)
	if err == nil && string(b[:n]) != strconv.Itoa(unix.Getpid()) {
		err = unix.ESRCH
	}
	if err != nil {
		unix.Close(e.procfs)
		return nil, err
	}
	return e, nil
}

// Become has the payload start as another user than root, with the
// supplementary groups given. It must be called before Attach; this process
// hands what it then believes to be on to those it starts. A Silent emulation
// does nothing, as for every call that changes ids.
func (e *Emulator) Become(uid, gid uint32, groups []uint32) error {
	if e.mode == Silent {
		return nil
	}
	return e.shared.numbers.Write(0, creds.Creds{
		User: creds.IDs{Real: uid, Effective: uid, Saved: uid, FS: uid}, Group: creds.IDs{Real: gid, Effective: gid, Saved: gid, FS: gid},
		Groups: creds.PackGroups(groups),
	})
}

// Attach puts the filter on this thread, which must be locked to its goroutine
// and have no_new_privs set: what it starts from then on is the payload. From
// then on the thread must make none of the calls that the filter stops; until
// Serve, those of the payload wait. EBUSY: this process has such a supervisor
// itself. EINVAL: the kernel is older than 5.5.
func (e *Emulator) Attach() error {
	if e == nil {
		return nil
	}
	p := seccomp.Assemble(auditArch, e.rules())
	if e.mode == Silent {
		return seccomp.InstallSilent(p, 0)
	}
	var err error
	e.listener, err = seccomp.Install(p)
	return err
}

// FDs returns the descriptors that the emulation needs.
func (e *Emulator) FDs() []int {
	if e == nil || e.mode == Silent {
		return nil
	}
	return []int{e.procfs, int(e.listener)}
}

// workers is the number of calls that are answered at the same time. places
// is the least GOMAXPROCS meanwhile: a thread that waits for a notification
// should find a place free when it comes.
const (
	workers = 4
	places  = workers + 2
)

// Serve starts to answer the payload's calls, until the process ends.
func (e *Emulator) Serve() {
	if e == nil || e.mode == Silent {
		return
	}
	if runtime.GOMAXPROCS(0) < places {
		runtime.GOMAXPROCS(places)
	}
	for range workers {
		go e.serve()
	}
}

// Supported tells whether a listener can be had. It is found out by installing
// one on a thread that ends then.
func Supported() bool {
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends with this goroutine.
		runtime.LockOSThread()
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			done <- err
			return
		}
		l, err := seccomp.Install(seccomp.Nothing())
		if err == nil {
			err = unix.Close(int(l))
		}
		done <- err
	}()
	return <-done == nil
}

// serve answers on a thread of its own, which has a root directory, a working
// directory and a file mode creation mask of its own.
func (e *Emulator) serve() {
	runtime.LockOSThread()
	w := &worker{shared: &e.shared, region: e.region, listener: e.listener, procfs: e.procfs, self: strconv.Itoa(unix.Getpid()) + "/fd/", calls: e.calls()}
	err := unix.Unshare(unix.CLONE_FS)
	var n seccomp.Notification
	for {
		if e.listener.Receive(&n) != nil {
			return // the last process with the filter has ended
		}
		a := failed(err)
		if err == nil {
			a = w.answer(&n)
		}
		if a.sent {
			continue
		}
		e.listener.Send(&seccomp.Response{ID: n.ID, Value: a.value, Errno: -int32(a.errno), Flags: a.flags})
	}
}

// answer is what a call returns.
type answer struct {
	value int64
	errno unix.Errno
	flags uint32
	sent  bool // the kernel has the answer already
}

// carryOn has the kernel do the call.
func carryOn() answer { return answer{flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE} }

// failed returns err, or success.
func failed(err error) answer {
	if err == nil {
		return answer{}
	}
	errno := unix.EIO
	errors.As(err, &errno)
	return answer{errno: errno}
}
