// Package enter has a process enter namespaces before the Go runtime starts in it: the
// kernel lets only a process of one thread enter a user namespace (setns(2)), which a Go
// program never is later.
//
// Input: the third argument of the command line (Word). Output: what came of it (Result). The
// linker must be told to begin with the package's code, instead of the runtime's:
//
//	go build -ldflags '-E sealift_enter'
//
// The code runs without the runtime. It may make system calls, and nothing else: no
// memory is allocated, no stack grows, and nothing may panic.
package enter

import (
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Symbol is what the linker is to begin with.
const Symbol = "sealift_enter"

// prefix begins the argument.
const prefix = "enter:"

// Index is which argument of the program it is. Others may be a user's, who may have them
// begin like it.
const Index = 3

// Kind is a kind of namespace.
type Kind byte

// The kinds, in the order in which they are to be entered: a user namespace gives the right
// to enter the others that belong to it.
const (
	User  Kind = 'u'
	IPC   Kind = 'i'
	UTS   Kind = 't'
	Net   Kind = 'n'
	Mount Kind = 'm'
	// Copied is a mount namespace of which the process gets one of its own that looks the
	// same.
	Copied Kind = 'c'
	// Told is no namespace but the end of a pipe, and comes before a PID: the number of the
	// process that goes on is written to it, as the parent knows it (32 bits), or an Errno,
	// negative, when none can.
	Told Kind = 'r'
	// PID is that of another process, which goes on in the place of this one, as a child of
	// its parent. It comes last: where a thread's children are to be in another namespace,
	// the runtime can start no thread (clone(2), "EINVAL").
	PID Kind = 'p'
)

// String names the kind, as the file in /proc/PID/ns is called.
func (k Kind) String() string {
	switch k {
	case User:
		return "user"
	case IPC:
		return "ipc"
	case UTS:
		return "uts"
	case Net:
		return "net"
	case PID:
		return "pid"
	case Mount, Copied:
		return "mnt"
	}
	return "unknown"
}

// Namespace is one to enter, by an open descriptor.
type Namespace struct {
	Kind Kind
	FD   int
}

// Word returns the argument that has these namespaces entered, in this order: the third
// one. The descriptors are closed then.
func Word(list []Namespace) string {
	text := []byte(prefix)
	for _, n := range list {
		text = append(text, byte(n.Kind))
		text = strconv.AppendInt(text, int64(n.FD), 10)
	}
	return string(text)
}

// noDescriptor is none that a process can have.
const noDescriptor = ^uintptr(0)

// What the code before the runtime leaves behind.
var (
	entered  bool          // there was a word
	failed   Kind          // the namespace that could not be entered
	errno    syscall.Errno // why
	atDeath  int32         // the signal at the parent's death
	wellDone bool
	told     = noDescriptor // that of Told
	another  bool           // another process is to go on
)

// Result tells what came of the argument word. atDeath is the signal that the process had
// asked for at its parent's death (PR_SET_PDEATHSIG(2const)), 0 for none, which the entering
// of a user namespace takes away. The error is an Errno: ENOSYS is that the program was
// linked without the package's code.
func Result(word string) (signal int, err error) {
	switch {
	case len(word) < len(prefix) || word[:len(prefix)] != prefix:
		return 0, unix.EINVAL
	case !entered:
		return 0, unix.ENOSYS
	case !wellDone:
		return 0, errno
	}
	return int(atDeath), nil
}

// Failed is the kind of namespace that could not be entered.
func Failed() Kind { return failed }

var _ = start // by the entry points, in assembly

// start is called before the runtime with the stack as the kernel made it: the number of
// arguments, and pointers to them (execve(2), "Process stack" of the ABI).
//
//go:nosplit
//go:norace
//go:nocheckptr
func start(stack *uintptr) {
	if *stack <= Index {
		return
	}
	word := *(*uintptr)(unsafe.Add(unsafe.Pointer(stack), (1+Index)*unsafe.Sizeof(*stack)))
	if rest, is := after(word); is {
		entered = true
		all(rest)
	}
}

// after returns where a text goes on after the prefix.
//
//go:nosplit
//go:norace
//go:nocheckptr
func after(text uintptr) (rest uintptr, is bool) {
	for i := range uintptr(len(prefix)) {
		if at(text+i) != prefix[i] {
			return 0, false
		}
	}
	return text + uintptr(len(prefix)), true
}

// at returns the byte at an address of the stack.
//
//go:nosplit
//go:norace
//go:nocheckptr
func at(address uintptr) byte { return **(**byte)(unsafe.Pointer(&address)) }

// all enters one namespace after the other.
//
//go:nosplit
//go:norace
//go:nocheckptr
func all(text uintptr) {
	syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&atDeath)), 0)
	// Nobody in there is to look at this process (PR_SET_DUMPABLE(2const)).
	syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0)
	for at(text) != 0 {
		kind, fd := Kind(at(text)), uintptr(0)
		for text++; at(text) >= '0' && at(text) <= '9'; text++ {
			fd = fd*10 + uintptr(at(text)-'0')
		}
		if failed = kind; !one(kind, fd) {
			syscall.RawSyscall(unix.SYS_CLOSE, told, 0, 0)
			return
		}
	}
	if another {
		fork()
	}
	failed, wellDone = 0, true
}

// fork has another process go on, which is in the PID namespace, and returns in it only.
//
//go:nosplit
//go:norace
//go:nocheckptr
func fork() {
	r, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD|unix.CLONE_PARENT), 0, 0, 0, 0, 0)
	if r == 0 && errno == 0 {
		syscall.RawSyscall(unix.SYS_CLOSE, told, 0, 0)
		return
	}
	number := int32(r)
	if errno != 0 {
		number = -int32(errno)
	}
	syscall.RawSyscall(unix.SYS_WRITE, told, uintptr(unsafe.Pointer(&number)), unsafe.Sizeof(number))
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
}

// one enters a namespace.
//
//go:nosplit
//go:norace
//go:nocheckptr
func one(kind Kind, fd uintptr) bool {
	var flag uintptr
	switch kind {
	case User:
		flag = unix.CLONE_NEWUSER
	case IPC:
		flag = unix.CLONE_NEWIPC
	case UTS:
		flag = unix.CLONE_NEWUTS
	case Net:
		flag = unix.CLONE_NEWNET
	case PID:
		flag, another = unix.CLONE_NEWPID, true
	case Mount, Copied:
		flag = unix.CLONE_NEWNS
	case Told:
		told = fd
		return true
	default:
		errno = unix.EINVAL
		return false
	}
	if _, _, errno = syscall.RawSyscall(unix.SYS_SETNS, fd, flag, 0); errno != 0 {
		return false
	}
	if kind == Copied {
		if _, _, errno = syscall.RawSyscall(unix.SYS_UNSHARE, flag, 0, 0); errno != 0 {
			return false
		}
	}
	syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	return true
}
