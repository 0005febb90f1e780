package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
	"github.com/sealift/sealift/runtime/doctor"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/imagefs"
	"github.com/sealift/sealift/runtime/launch"
	"github.com/sealift/sealift/runtime/spec"
	"github.com/sealift/sealift/starter/plan"
)

// trials makes containers to see whether that works. Their payload is the starter
// itself, a program that is there and needs nothing: called without a plan, it
// ends with launch's status of a failure.
type trials struct {
	*machine
	ctx  context.Context
	work host.Facts // what to plan with
	job  launch.Job
	err  error // why there can be no trial
}

// payload is where the starter is in the trial's root directory.
const (
	payload       = "/starter"
	payloadStatus = 125
)

func containers(ctx context.Context, m *machine) func(*doctor.Findings) {
	t := trials{machine: m, ctx: ctx, work: *m.host}
	t.job = launch.Job{NewUIDMap: m.host.NewUIDMap, NewGIDMap: m.host.NewGIDMap, Serve: serve}
	t.job.Starter, t.err = launch.FindStarter(m.Program)
	var f doctor.Findings
	f.UserNS = security()
	// The switches that spec goes by may be wrong; whether they are is asked here.
	t.work.UserNS = true
	f.UserNS.Trial = t.run(spec.Request{Userns: true}, t.inMemory())
	t.work.UserNS = f.UserNS.Trial.Err == ""
	f.Proc.Masks = masks()
	f.Proc.Trial = t.run(spec.Request{}, t.inMemory(
		plan.Do(plan.Mkdir, "/proc", "0555"), plan.Do(plan.Mount, "proc", "/proc", "nosuid,nodev,noexec", "")))
	f.Fuse = device()
	f.Fuse.Trial = t.run(spec.Request{}, t.fromImage())
	f.Overlay = t.run(spec.Request{}, []plan.Op{
		plan.Do(plan.Mkdir, "@lower", "0755"), plan.Do(plan.Mkdir, "@rw/upper", "0755"), plan.Do(plan.Mkdir, "@rw/work", "0700"),
		plan.Do(plan.Overlay, "/", "@lower", "@rw/upper", "@rw/work", "nosuid,nodev"), plan.Do(plan.Mkfile, payload, "0755"),
	})
	f.SubIDs = t.subordinate()
	return func(all *doctor.Findings) {
		all.UserNS, all.Proc, all.Fuse, all.Overlay, all.SubIDs = f.UserNS, f.Proc, f.Fuse, f.Overlay, f.SubIDs
	}
}

// inMemory are operations for a root directory in memory.
func (t *trials) inMemory(more ...plan.Op) []plan.Op {
	return append([]plan.Op{
		plan.Do(plan.Mount, "tmpfs", "/", "nosuid,nodev", "mode=0755,size=1m"), plan.Do(plan.Mkfile, payload, "0755"),
	}, more...)
}

// fromImage is the operation for a root directory that comes from an image.
func (t *trials) fromImage() []plan.Op {
	flags := ""
	if t.host.Admin && t.host.UID == 0 {
		flags = "allow_other"
	}
	return []plan.Op{plan.Do(plan.Fuse, "/", flags)}
}

// run makes a container in the namespaces that r gets, with a root directory that
// root makes.
func (t *trials) run(r spec.Request, root []plan.Op) doctor.Trial {
	namespaces, err := spec.Namespaces(r, &t.work)
	if err != nil {
		return doctor.Trial{Skipped: true}
	}
	return t.inside(namespaces, root)
}

func (t *trials) inside(namespaces plan.Clone, root []plan.Op) doctor.Trial {
	p := &plan.Plan{
		Clone:   namespaces,
		Image:   []plan.Op{plan.Do(plan.Mkfile, payload, "0755")},
		Ops:     append([]plan.Op{plan.Do(plan.Session, t.host.SessionDir, "mode=0755,size=50%")}, root...),
		Process: plan.Process{Args: []string{payload}, Dirs: []string{"/"}, Umask: -1, CloseFDs: true},
	}
	p.Ops = append(p.Ops, plan.Do(plan.Bind, t.job.Starter, payload, "ro,nosuid,nodev"), plan.Do(plan.Pivot), plan.Do(plan.Dropcaps, ""))
	err := t.err
	if err == nil {
		var status launch.Status
		status, err = launch.Run(t.ctx, p, t.job)
		if err == nil && status.Code != payloadStatus {
			err = fmt.Errorf("the container ended with status %d", status.Code)
		}
	}
	if err == nil {
		return doctor.Trial{}
	}
	return doctor.Trial{Err: err.Error(), Hint: hint.Of(err), Errno: errno(err)}
}

// serve serves an image without files.
func serve(_ string, fd int, extra []plan.Op) error {
	r, err := empty()
	if err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	server, err := imagefs.New(r, imagefs.Options{Extra: extra})
	if err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	return server.Serve(fd)
}

// empty makes an image in memory.
func empty() (*squashfs.Reader, error) {
	var b bytes.Buffer
	root := &tree.Node{Mode: unix.S_IFDIR | 0o755}
	super, err := writer.Write(context.Background(), &b, writer.Options{Workers: 1}, writer.Whole(root))
	if err != nil {
		return nil, err
	}
	copy(b.Bytes(), super)
	return squashfs.Open(bytes.NewReader(b.Bytes()), int64(b.Len()), squashfs.Options{})
}

// device looks at /dev/fuse.
func device() doctor.Fuse {
	const path = "/dev/fuse"
	d := doctor.Fuse{}
	for line := range strings.Lines(read("/proc/filesystems")) {
		d.Module = d.Module || strings.TrimSpace(line) == "fuse" || strings.HasSuffix(strings.TrimSpace(line), "\tfuse")
	}
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return d
	}
	d.Exists, d.Mode, d.UID, d.GID = true, st.Mode&0o7777, st.Uid, st.Gid
	d.Device = st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == unix.Mkdev(10, 229)
	d.Open = open(path)
	return d
}

// open returns the error of opening a device node for reading and writing, 0 for
// none. What the permissions forbid is not tried.
func open(path string) unix.Errno {
	if err := unix.Access(path, unix.R_OK|unix.W_OK); err != nil {
		return errno(err)
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return errno(err)
	}
	return errno(os.NewSyscallError("close", unix.Close(fd)))
}
