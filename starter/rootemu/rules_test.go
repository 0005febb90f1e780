package rootemu

import (
	"math"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/rootemu/creds"
	"github.com/sealift/sealift/starter/seccomp"
)

// run interprets a program for one call.
func run(t *testing.T, p []unix.SockFilter, auditArch, nr uint32, args [6]uint64) uint32 {
	t.Helper()
	data := native.AppendUint32(native.AppendUint32(nil, nr), auditArch)
	data = native.AppendUint64(data, 0)
	for _, a := range args {
		data = native.AppendUint64(data, a)
	}
	var acc uint32
	for pc := 0; pc < len(p); pc++ {
		i := p[pc]
		skip := func(yes bool) {
			if yes {
				pc += int(i.Jt)
			} else {
				pc += int(i.Jf)
			}
		}
		switch i.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			acc = native.Uint32(data[i.K:])
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			skip(acc == i.K)
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			skip(acc >= i.K)
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			skip(acc&i.K != 0)
		case unix.BPF_RET | unix.BPF_K:
			return i.K
		default:
			t.Fatalf("unknown instruction %+v", i)
		}
	}
	t.Fatal("the program does not end")
	return 0
}

func TestFilter(t *testing.T) {
	const allow, notify, zero = unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_USER_NOTIF, unix.SECCOMP_RET_ERRNO
	full, fast, silent := Emulator{mode: Full}, Emulator{mode: Fast}, Emulator{mode: Silent}
	for i, c := range []struct {
		e    *Emulator
		nr   int
		args [6]uint64
		want uint32
	}{
		{&full, unix.SYS_FCHOWN, [6]uint64{}, notify},
		{&silent, unix.SYS_FCHOWN, [6]uint64{}, zero},
		{&full, unix.SYS_STATX, [6]uint64{}, notify},
		{&fast, unix.SYS_STATX, [6]uint64{}, allow},
		{&full, unix.SYS_OPENAT, [6]uint64{0, 0, unix.O_WRONLY | unix.O_CREAT}, notify},
		{&full, unix.SYS_OPENAT, [6]uint64{0, unix.O_CREAT, unix.O_RDWR | unix.O_TRUNC}, allow},
		{&silent, unix.SYS_OPENAT, [6]uint64{0, 0, unix.O_CREAT}, allow},
		{&silent, unix.SYS_GETUID, [6]uint64{}, allow},
		{&full, unix.SYS_CAPSET, [6]uint64{}, zero},
		{&full, unix.SYS_SETRLIMIT, [6]uint64{creds.Carrier}, zero},
		{&full, unix.SYS_SETRLIMIT, [6]uint64{unix.RLIMIT_NOFILE}, allow},
		{&full, unix.SYS_PRLIMIT64, [6]uint64{0, creds.Carrier, 4096}, zero},
		{&full, unix.SYS_PRLIMIT64, [6]uint64{0, creds.Carrier, 0, 4096}, allow},
		{&full, unix.SYS_PRLIMIT64, [6]uint64{0, unix.RLIMIT_CPU, 4096}, allow},
		{&full, unix.SYS_READ, [6]uint64{}, allow},
		{&full, unix.SYS_EXECVE, [6]uint64{}, allow},
		{&full, unix.SYS_FCHOWN | 0x40000000, [6]uint64{}, allow},
	} {
		p := seccomp.Assemble(auditArch, c.e.rules())
		if got := run(t, p, auditArch, uint32(c.nr), c.args); got != c.want {
			t.Errorf("case %d: %#x, want %#x", i, got, c.want)
		}
		if got := run(t, p, unix.AUDIT_ARCH_I386, uint32(c.nr), c.args); got != allow {
			t.Errorf("case %d, another ABI: %#x", i, got)
		}
	}
}

// TestMemory reads strings at the end of what is mapped.
func TestMemory(t *testing.T) {
	page := unix.Getpagesize()
	m, err := unix.Mmap(-1, 0, 3*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(m)
	if err := unix.Mprotect(m[2*page:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	pid, base := unix.Getpid(), uint64(uintptr(unsafe.Pointer(&m[0])))
	end := base + uint64(2*page)
	put := func(off int, s string) uint64 {
		copy(m[off:2*page], s)
		return base + uint64(off)
	}
	for _, c := range []struct {
		addr uint64
		want string
		err  error
	}{
		{put(2*page-6, "short\x00"), "short", nil},
		{put(page-3, "across\x00"), "across", nil},
		{put(0, "\x00"), "", nil},
		{put(10, strings.Repeat("x", 100)), "", unix.ENAMETOOLONG},
		{end, "", unix.EFAULT},
		{0, "", unix.EFAULT},
	} {
		if got, err := readString(pid, c.addr, 64); got != c.want || err != c.err {
			t.Errorf("%q, %v; want %q, %v", got, err, c.want, c.err)
		}
	}
	put(2*page-3, "end")
	if got, err := readString(pid, end-3, 64); err != unix.EFAULT {
		t.Errorf("without an end: %q, %v", got, err)
	}
	if err := readMemory(pid, end-2, make([]byte, 4)); err != unix.EFAULT {
		t.Errorf("half a read: %v", err)
	}
	if err := writeMemory(pid, end-2, make([]byte, 4)); err != unix.EFAULT {
		t.Errorf("half a write: %v", err)
	}
	if err := writeMemory(pid, base, []byte("written")); err != nil || string(m[:7]) != "written" {
		t.Errorf("%q, %v", m[:7], err)
	}
	if err := writeMemory(pid, 0, nil); err != nil {
		t.Error(err)
	}
}

func TestOwnProc(t *testing.T) {
	w := worker{pid: 42}
	for in, want := range map[string]string{
		"/proc/self/fd/3": "/proc/42/fd/3", "/proc/thread-self/x": "/proc/42/x", "/dev/fd/1": "/proc/42/fd/1", "/dev/stderr": "/proc/42/fd/2",
		"/proc/selfish": "/proc/selfish", "proc/self/x": "proc/self/x", "/dev/stdinx": "/dev/stdinx", "a": "a",
	} {
		if got := w.ownProc(in); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"user.sealift.owner\x00": "", "user.a\x00user.sealift.entry.x\x00user.b\x00": "user.a\x00user.b\x00", "": "",
	} {
		if got := string(visible([]byte(in))); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func TestPlainFiles(t *testing.T) {
	var p plainFiles
	old := unix.Statx_t{Ino: 7, Ctime: unix.StatxTimestamp{Sec: 1}}
	p.add(&old)
	recent := unix.Statx_t{Ino: 8, Ctime: unix.StatxTimestamp{Sec: math.MaxInt64}}
	p.add(&recent)
	changed := old
	changed.Ctime.Nsec = 1
	if !p.has(&old) || p.has(&recent) || p.has(&changed) {
		t.Errorf("%v %v %v", p.has(&old), p.has(&recent), p.has(&changed))
	}
	for i := range uint64(maxPlain) + 1 {
		p.add(&unix.Statx_t{Ino: 100 + i})
	}
	if len(p.known) > maxPlain {
		t.Errorf("%d files are known", len(p.known))
	}
}

func TestNew(t *testing.T) {
	for _, m := range []Mode{"", "off", "FULL"} {
		if _, err := New(m); err != unix.EINVAL {
			t.Errorf("%q: %v", m, err)
		}
	}
	e, err := New(Full)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(e.procfs)
	if !Supported() {
		t.Skip("no user notification here: an old kernel, or a container with a listener of its own")
	}
	if !Supported() {
		t.Error("the filter of a probe outlives it")
	}
}
