package rootemu

import (
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/rootemu/creds"
	"github.com/sealift/sealift/starter/rootemu/inode"
	"github.com/sealift/sealift/starter/seccomp"
)

// shared is what the workers of a payload have in common.
type shared struct {
	numbers creds.Numbers
	plain   inode.Plain
}

// worker answers calls, one after the other. For the time of a call its thread
// has the root and the working directory of who made it.
type worker struct {
	*shared
	region   inode.Region
	listener seccomp.Listener
	procfs   int
	self     string // the directory of this process's descriptors in procfs
	calls    map[int]handler
	pid      int    // of the thread that waits
	id       uint64 // of the notification
}

// handler answers one call, of which a are the arguments.
type handler func(w *worker, a *[6]uint64) answer

func (w *worker) answer(n *seccomp.Notification) answer {
	h := w.calls[int(n.NR)]
	if h == nil {
		return carryOn()
	}
	w.pid, w.id = int(n.PID), n.ID
	return h(w, &n.Args)
}

// creds returns what the process believes to be.
func (w *worker) creds() (creds.Creds, error) { return w.numbers.Read(w.pid) }

// id32 is an argument of type uid_t or int.
func id32(arg uint64) uint32 { return uint32(arg) }

// mode is an argument of type mode_t.
func mode(arg uint64) uint32 { return uint32(arg) & (unix.S_IFMT | 0o7777) }
