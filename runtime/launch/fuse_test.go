package launch

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/starter/plan"
)

// serveEmpty serves an empty directory of mode 0751 (fuse(4), linux/fuse.h).
func serveEmpty(_ string, fd int, _ []plan.Op) error {
	defer unix.Close(fd)
	buf := make([]byte, 1<<17)
	for {
		n, err := unix.Read(fd, buf)
		switch {
		case err == unix.EINTR || err == unix.EAGAIN || err == unix.ENOENT:
			continue
		case err == unix.ENODEV:
			return nil
		case err != nil:
			return err
		}
		opcode, unique := binary.NativeEndian.Uint32(buf[4:]), binary.NativeEndian.Uint64(buf[8:])
		var body []byte
		errno := int32(0)
		switch opcode {
		case 2, 36, 42: // FORGET, INTERRUPT, BATCH_FORGET have no answer
			continue
		case 26: // INIT
			body = make([]byte, 64)
			copy(body, buf[40:48])                          // their version
			binary.NativeEndian.PutUint32(body[20:], 4096)  // max_write
			binary.NativeEndian.PutUint32(body[8:], 64<<10) // max_readahead
		case 3: // GETATTR
			body = make([]byte, 104)
			binary.NativeEndian.PutUint64(body[16:], 1)                     // inode
			binary.NativeEndian.PutUint32(body[16+60:], unix.S_IFDIR|0o751) // mode
			binary.NativeEndian.PutUint32(body[16+64:], 2)                  // links
		default:
			errno = -int32(unix.ENOSYS)
		}
		if n < 40 {
			return errors.New("short request")
		}
		out := make([]byte, 16, 16+len(body))
		binary.NativeEndian.PutUint32(out, uint32(16+len(body)))
		binary.NativeEndian.PutUint32(out[4:], uint32(errno))
		binary.NativeEndian.PutUint64(out[8:], unique)
		if _, err := unix.Write(fd, append(out, body...)); err != nil && err != unix.ENOENT {
			return err
		}
	}
}

func fuseContainer(t *testing.T, script string) *plan.Plan {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	need(t, err == nil, "no /dev/fuse")
	unix.Close(fd)
	return container(t, sh(script), plan.Do(plan.Fuse, "/mnt", "allow_other"))
}

func TestFuse(t *testing.T) {
	p := fuseContainer(t, "stat -c %a /mnt; grep -o 'sealift /mnt fuse ro,nosuid,nodev' /proc/mounts; grep -o default_permissions /proc/mounts")
	p.Image = []plan.Op{plan.Do(plan.Mkdir, "/extra", "755")}
	var got []plan.Op
	var at string
	r := startJob(t, p, Job{Serve: func(target string, fd int, image []plan.Op) error {
		at, got = target, image
		return serveEmpty(target, fd, image)
	}})
	r.want(t, "751\nsealift /mnt fuse ro,nosuid,nodev\ndefault_permissions\n")
	if at != "/mnt" || len(got) != 1 {
		t.Errorf("served %q with %v", at, got)
	}
}

func TestServerDies(t *testing.T) {
	r := startJob(t, fuseContainer(t, "sleep 60"), Job{Serve: func(_ string, fd int, _ []plan.Op) error {
		unix.Close(fd)
		return syscall.EIO
	}})
	r.fails(t, 125, "image server died: input/output error")
}

// What a server says to be the image's fault is not said to be the server's.
func TestImageIsWrong(t *testing.T) {
	r := startJob(t, fuseContainer(t, "sleep 60"), Job{Serve: func(_ string, fd int, _ []plan.Op) error {
		unix.Close(fd)
		return hint.New("image x.sif: block 7 is wrong", "copy it again")
	}})
	r.fails(t, 125, "container killed: image x.sif: block 7 is wrong")
}

func TestNobodyServes(t *testing.T) {
	start(t, fuseContainer(t, "true")).fails(t, 125, "nothing serves it")
}

func TestNoFuse(t *testing.T) {
	p := fuseContainer(t, "true")
	p.Ops[4].Args = []string{"/mnt", "ro"}
	r := start(t, p)
	r.fails(t, 125, "mount the image on /mnt: invalid argument")
	if strings.Contains(r.out, "panic") {
		t.Error(r.out)
	}
}

// filled mounts a directory on /mnt that launch fills.
func filled(t testing.TB, args []string) *plan.Plan {
	return container(t, args, plan.Do(plan.Mkdir, "@fill", "755"), plan.Do(plan.Fill, "@fill"),
		plan.Do(plan.Bind, "@fill", "/mnt", "ro,nosuid,nodev,session"))
}

// TestFill has launch write files that are in the container alone.
func TestFill(t *testing.T) {
	p := filled(t, sh("cat /mnt/sub/file; touch /mnt/x 2>&1; ls -A /mnt"))
	r := startJob(t, p, Job{Fill: func(target string, dir *os.File) error {
		if target != "@fill" {
			t.Errorf("target %s", target)
		}
		if err := unix.Mkdirat(int(dir.Fd()), "sub", 0o700); err != nil {
			return err
		}
		fd, err := unix.Openat(int(dir.Fd()), "sub/file", unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), "file")
		_, err = f.WriteString("filled\n")
		return errors.Join(err, f.Close())
	}})
	r.want(t, "filled\ntouch: /mnt/x: Read-only file system\nsub\n")
}

// TestFillFails has the container end with the error of who fills it, and with one
// where nobody does.
func TestFillFails(t *testing.T) {
	wrong := hint.New("nothing to fill it with", "have something")
	r := startJob(t, filled(t, sh("echo ran")), Job{Fill: func(string, *os.File) error { return wrong }})
	if !errors.Is(r.err, wrong) || r.out != "" {
		t.Errorf("%q, %v", r.out, r.err)
	}
	r = startJob(t, filled(t, sh("echo ran")), Job{})
	if r.err == nil || !strings.Contains(r.err.Error(), "nothing serves it") || r.out != "" {
		t.Errorf("%q, %v", r.out, r.err)
	}
}
