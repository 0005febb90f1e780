package join

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// entry is everything that the copy of the thread needs, in the form of system calls: it
// cannot allocate.
type entry struct {
	spaces     []space
	files      []uintptr // what the descriptors from 0 on are copies of
	program    uintptr
	report     uintptr // the end of a pipe to which messages are written
	reports    *os.File
	argv, envp **byte
	empty      *byte
	caps       []uintptr
	header     unix.CapUserHeader
	sets       [2]unix.CapUserData
	limit      unix.Rlimit // of descriptors; nothing is set where it is 0
	temporary  []int
}

type space struct{ fd, flag uintptr }

// The steps that can fail, besides the entering of a namespace, whose step is its number.
const (
	stepClone = 100 + iota
	stepFiles
	stepCaps
	stepExec
	stepPID // no failure: the number is that of the process
)

// message is a step and an errno, or stepPID and a process.
type message [2]uint32

// prepare gathers what n and p need. Every descriptor that is used is above those that
// are made.
func (e *entry) prepare(n *Namespaces, p Program) (err error) {
	top := len(p.Files) + 1
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	program, err := unix.Open(p.Path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: p.Path, Err: err}
	}
	defer unix.Close(program)
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	e.reports = r
	high := func(fd uintptr) (above uintptr) {
		if err == nil {
			var n int
			if n, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, top); err == nil {
				e.temporary, above = append(e.temporary, n), uintptr(n)
			}
		}
		return above
	}
	e.program, e.report = high(uintptr(program)), high(w.Fd())
	for _, fd := range p.Files {
		e.files = append(e.files, high(fd))
	}
	for i, f := range n.files {
		e.spaces = append(e.spaces, space{high(f.Fd()), n.kinds[i].flag})
	}
	if err != nil {
		return fmt.Errorf("duplicate a descriptor: %w", err)
	}
	argv, err := syscall.SlicePtrFromStrings(p.Args)
	if err != nil {
		return err
	}
	e.argv, e.envp, e.empty = &argv[0], &[]*byte{nil}[0], &[]byte{0}[0]
	e.caps, e.header.Version = p.Caps, unix.LINUX_CAPABILITY_VERSION_3
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &e.limit); err != nil || p.Descriptors == 0 {
		e.limit = unix.Rlimit{}
	} else {
		e.limit.Cur = min(p.Descriptors, e.limit.Max)
	}
	return nil
}

func (e *entry) close() {
	for _, fd := range e.temporary {
		unix.Close(fd)
	}
	e.temporary = nil
	if e.reports != nil {
		e.reports.Close()
	}
}

// run starts the first copy, which enters and makes the second, and waits until that has
// executed the program.
func (e *entry) run(n *Namespaces) (pid int, err error) {
	syscall.ForkLock.Lock()
	first, errno := e.fork()
	syscall.ForkLock.Unlock()
	if errno != 0 {
		return 0, fmt.Errorf("fork: %w", errno)
	}
	unix.Close(int(e.report))
	e.temporary = e.drop(int(e.report))
	// All of them, as the second copy may fail before the first has told of it.
	for m := (message{}); binary.Read(e.reports, binary.NativeEndian, &m) == nil; {
		switch step, value := m[0], m[1]; {
		case step == stepPID:
			pid = int(value)
		case err == nil:
			err = explain(n, step, unix.Errno(value))
		}
	}
	reap(first)
	if err == nil && pid == 0 {
		err = errors.New("enter the container: the process that was to do so was killed")
	}
	if err != nil && pid > 0 {
		reap(pid)
	}
	if err != nil {
		return 0, err
	}
	return pid, nil
}

// reap waits for a child, which ends or has ended.
func reap(pid int) {
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			return
		}
	}
}

// drop returns the temporary descriptors but fd.
func (e *entry) drop(fd int) []int {
	var rest []int
	for _, t := range e.temporary {
		if t != fd {
			rest = append(rest, t)
		}
	}
	return rest
}

// explain is the error of a step.
func explain(n *Namespaces, step uint32, errno unix.Errno) error {
	what := map[uint32]string{
		stepClone: "start a process in the container", stepFiles: "pass descriptors to the container",
		stepCaps: "set capabilities in the container", stepExec: "execute the starter in the container",
	}[step]
	if int(step) < len(n.kinds) {
		what = "enter the container's " + n.kinds[step].file + " namespace"
	}
	return fmt.Errorf("%s: %w", what, errno)
}

//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

// fork returns the pid of the first copy. The copy, and the second one, never return: no
// other thread of the Go runtime exists in them, so that they may make raw system calls
// and nothing else.
//
//go:noinline
//go:norace
//go:nocheckptr
func (e *entry) fork() (pid int, errno syscall.Errno) {
	var (
		m    message
		step uint32
		i    int
		r    uintptr
		zero uintptr
		size = unsafe.Sizeof(m)
	)
	beforeFork()
	r, _, errno = syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || r != 0 {
		afterFork()
		return int(r), errno
	}
	afterForkInChild()

	// Nobody in there is to look at this process (PR_SET_DUMPABLE(2const)).
	syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0)
	for i = 0; i < len(e.spaces); i++ {
		step = uint32(i)
		if _, _, errno = syscall.RawSyscall(unix.SYS_SETNS, e.spaces[i].fd, e.spaces[i].flag, 0); errno != 0 {
			goto failed
		}
	}
	// The process in the container is a child of our parent, and waited for by it. Its
	// number here is that which our parent knows it by.
	step = stepClone
	r, _, errno = syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD|unix.CLONE_PARENT), 0, 0, 0, 0, 0)
	if errno != 0 {
		goto failed
	}
	if r != 0 {
		m[0], m[1] = stepPID, uint32(r)
		syscall.RawSyscall(unix.SYS_WRITE, e.report, uintptr(unsafe.Pointer(&m)), size)
		for {
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}

	step = stepFiles
	for i = 0; i < len(e.files); i++ {
		if _, _, errno = syscall.RawSyscall(unix.SYS_DUP3, e.files[i], uintptr(i), 0); errno != 0 {
			goto failed
		}
	}
	step = stepCaps
	if len(e.caps) > 0 {
		if _, _, errno = syscall.RawSyscall(unix.SYS_CAPGET, uintptr(unsafe.Pointer(&e.header)), uintptr(unsafe.Pointer(&e.sets[0])), 0); errno != 0 {
			goto failed
		}
		for i = 0; i < len(e.caps); i++ {
			e.sets[e.caps[i]>>5&1].Inheritable |= 1 << (e.caps[i] & 31)
		}
		if _, _, errno = syscall.RawSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&e.header)), uintptr(unsafe.Pointer(&e.sets[0])), 0); errno != 0 {
			goto failed
		}
		for i = 0; i < len(e.caps); i++ {
			if _, _, errno = syscall.RawSyscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, e.caps[i], zero, zero, zero); errno != 0 {
				goto failed
			}
		}
	}
	step = stepExec
	if e.limit.Cur > 0 {
		syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&e.limit)), 0, 0, 0)
	}
	_, _, errno = syscall.RawSyscall6(unix.SYS_EXECVEAT, e.program, uintptr(unsafe.Pointer(e.empty)),
		uintptr(unsafe.Pointer(e.argv)), uintptr(unsafe.Pointer(e.envp)), unix.AT_EMPTY_PATH, 0)
failed:
	m[0], m[1] = step, uint32(errno)
	syscall.RawSyscall(unix.SYS_WRITE, e.report, uintptr(unsafe.Pointer(&m)), size)
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
	}
}
