package probe

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/runtime/cgroup"
	"github.com/sealift/sealift/runtime/doctor"
)

// TestGather looks at the machine as it is: containers run where tests run.
func TestGather(t *testing.T) {
	t.Setenv(envDir, shared)
	f, err := Gather(context.Background(), inputs())
	if err != nil {
		t.Fatal(err)
	}
	for name, trial := range map[string]doctor.Trial{"userns": f.UserNS.Trial, "proc": f.Proc.Trial, "fuse": f.Fuse.Trial, "overlay": f.Overlay} {
		if trial != (doctor.Trial{}) {
			t.Errorf("%s: %+v", name, trial)
		}
	}
	if !f.Fuse.Exists || !f.Fuse.Device || !f.Fuse.Module || f.Fuse.Open != 0 || f.Fuse.Mode&0o600 != 0o600 {
		t.Errorf("%+v", f.Fuse)
	}
	if len(f.Late) > 0 || f.Patience != int(patience.Seconds()) || f.Program != inputs().Program || f.UserNS.Switches["user.max_user_namespaces"] == "" {
		t.Errorf("%+v", f)
	}
	if f.UserNS.Chroot || f.UserNS.Filtered {
		t.Errorf("%+v", f.UserNS)
	}
	if f.Session.Path != f.Host.SessionDir || f.TmpDir.Write != 0 || f.TmpDir.Lock != 0 || f.TmpDir.Type == "" || f.TmpDir.Free == 0 {
		t.Errorf("%+v\n%+v", f.Session, f.TmpDir)
	}
	if f.Cache.At != os.TempDir() || f.Cache.Path == f.Cache.At {
		t.Errorf("a directory that does not exist: %+v", f.Cache)
	}
	for _, c := range doctor.Examine(f) {
		if c.State == doctor.Failed {
			t.Errorf("%+v", c)
		}
	}
	if left, err := filepath.Glob(os.TempDir() + "/.sealift-doctor-*"); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestGone ends with its context, as a terminal's Ctrl-C has it.
func TestGone(t *testing.T) {
	t.Setenv(envDir, shared)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Gather(ctx, inputs()); err != context.Canceled {
		t.Error(err)
	}
}

func TestNoStarter(t *testing.T) {
	in := inputs()
	in.Program = filepath.Join(t.TempDir(), "sealift")
	f, err := Gather(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	if tr := f.UserNS.Trial; !strings.Contains(tr.Err, "find the starter") || !strings.Contains(tr.Hint, "install") {
		t.Errorf("%+v", tr)
	}
	wrong := filepath.Join(t.TempDir(), "sealift-starter")
	if err := os.WriteFile(wrong, []byte("#!/bin/false\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	in.Program = filepath.Join(filepath.Dir(wrong), "sealift")
	if f, err = Gather(context.Background(), in); err != nil {
		t.Fatal(err)
	}
	if tr := f.UserNS.Trial; tr.Err == "" {
		t.Error("a starter that starts nothing")
	}
}

// TestTakenAway takes one thing away at a time.
func TestTakenAway(t *testing.T) {
	for name, c := range map[string]struct {
		where where
		wrong func(f doctor.Findings) bool
	}{
		"nothing": {where{}, func(f doctor.Findings) bool {
			return f.UserNS.Trial.Err != "" || f.Fuse.Trial.Err != "" || f.Overlay.Err != "" || f.UserNS.Chroot
		}},
		"fuse covered": {where{script: "mount --bind /dev/null /dev/fuse"}, func(f doctor.Findings) bool {
			return !f.Fuse.Exists || f.Fuse.Device || f.Fuse.Trial.Err == "" || f.Overlay.Err != "" || f.Proc.Trial.Err != ""
		}},
		"no fuse": {where{script: "mount -t tmpfs tmpfs $DIR; touch $DIR/null; mount --bind /dev/null $DIR/null; mount -n --move $DIR /dev"}, func(f doctor.Findings) bool {
			return f.Fuse.Exists || f.Fuse.Device || f.Fuse.Trial.Errno != unix.ENOENT
		}},
		"no namespaces": {where{script: "unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all $LOOK'"},
			func(f doctor.Findings) bool {
				return f.UserNS.Trial.Errno != unix.ENOSPC || f.UserNS.Switches["user.max_user_namespaces"] != "0" ||
					!f.Fuse.Trial.Skipped || !f.Overlay.Skipped || !f.Proc.Trial.Skipped || !f.SubIDs.Trial.Skipped || f.Fuse.Open != 0
			}},
		"chroot": {where{script: `for d in bin dev etc lib lib64 proc sbin sys tmp usr "$TMPDIR"; do
			[ -e /$d ] || continue; mkdir -p $DIR/$d; mount --rbind /$d $DIR/$d; done
			exec chroot $DIR $LOOK`}, func(f doctor.Findings) bool {
			return !f.UserNS.Chroot || f.UserNS.Trial.Errno != unix.EPERM || f.UserNS.Filtered
		}},
		"filter": {where{before: "filter"}, func(f doctor.Findings) bool {
			return !f.UserNS.Filtered || !f.UserNS.Seccomp || !f.UserNS.NoNewPrivs || f.UserNS.Trial.Errno != unix.EPERM
		}},
		"no privileges": {where{script: "exec setpriv --no-new-privs $LOOK"}, func(f doctor.Findings) bool {
			return !f.UserNS.NoNewPrivs || f.UserNS.Seccomp || f.UserNS.Trial.Err != ""
		}},
		"proc masked": {where{script: "mount --bind /dev/null /proc/version"}, func(f doctor.Findings) bool {
			return !slices.Contains(f.Proc.Masks, "/proc/version")
		}},
		"no control groups": {where{script: "mount -t tmpfs tmpfs /sys/fs/cgroup"}, func(f doctor.Findings) bool {
			return len(f.Groups) == 0 || slices.ContainsFunc(f.Groups, func(g cgroup.Group) bool { return g.Dir != "" })
		}},
		"no space": {where{script: "mount -t tmpfs -o size=64k,nr_inodes=5 tmpfs $TMPDIR"}, func(f doctor.Findings) bool {
			return f.TmpDir.Type != "tmpfs" || f.TmpDir.Size != 64<<10 || f.TmpDir.Files != 5 || f.TmpDir.FreeFiles > 4 || f.TmpDir.Write != 0
		}},
		"read-only": {where{script: "mount -t tmpfs -o ro tmpfs $TMPDIR"}, func(f doctor.Findings) bool {
			return f.TmpDir.Write != unix.EROFS || f.Cache.Write != unix.EROFS || f.TmpDir.Unnamed
		}},
		"no answer": {where{before: "hang"}, func(f doctor.Findings) bool {
			return !slices.Equal(f.Late, []string{"cache", "tmpdir"}) || f.UserNS.Trial.Err != ""
		}},
		"descriptors": {where{script: "exec $LOOK 7</dev/null"}, func(f doctor.Findings) bool { return !slices.Contains(f.OpenFDs, 7) }},
	} {
		t.Run(name, func(t *testing.T) {
			if f := lookFrom(t, c.where); c.wrong(f) {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestRange maps ranges of ids by the real programs, and by some that cannot.
func TestRange(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give ranges to a user")
	}
	_, err := os.Stat("/usr/bin/newuidmap")
	need(t, err == nil, "no newuidmap")
	// The programs refuse users that have no name.
	const give = `cp /etc/passwd $DIR; echo probe:x:65533:65533::/:/bin/sh >>$DIR/passwd; mount --bind $DIR/passwd /etc/passwd
echo 65533:200000:65536 >$DIR/ids; mount --bind $DIR/ids /etc/subuid; mount --bind $DIR/ids /etc/subgid
`
	const asUser = "\nexec setpriv --reuid 65533 --regid 65533 --clear-groups $LOOK"
	for name, c := range map[string]struct {
		script string
		right  func(h bool, s doctor.SubIDs) bool
	}{
		"mapped": {give + asUser, func(found bool, s doctor.SubIDs) bool {
			return found && s.Trial == doctor.Trial{} && s.Next == 265536 && (s.UIDMap.SetUID || s.UIDMap.Caps)
		}},
		"root": {give + "exec $LOOK", func(found bool, s doctor.SubIDs) bool { return found && s.Trial.Skipped }},
		"no program": {give + "mount --bind /dev/null /usr/bin/newuidmap" + asUser, func(found bool, s doctor.SubIDs) bool {
			return !found && s.Trial.Skipped && s.Elsewhere == ""
		}},
		"program elsewhere": {give + "cp /usr/bin/newuidmap $DIR; mount --bind /dev/null /usr/bin/newuidmap; export PATH=$DIR:$PATH" + asUser,
			func(found bool, s doctor.SubIDs) bool { return !found && strings.HasSuffix(s.Elsewhere, "/newuidmap") }},
		"nosuid": {give + "mount --bind /usr /usr; mount -o remount,bind,nosuid /usr" + asUser, func(found bool, s doctor.SubIDs) bool {
			return found && s.Trial.Err != "" && s.UIDMap.NoSUID && s.GIDMap.NoSUID
		}},
		"no power": {give + "cp /usr/bin/newuidmap $DIR; chmod 755 $DIR/newuidmap; mount --bind $DIR/newuidmap /usr/bin/newuidmap" + asUser,
			func(found bool, s doctor.SubIDs) bool {
				return found && s.Trial.Err != "" && !s.UIDMap.SetUID && !s.UIDMap.Caps && !s.UIDMap.NoSUID
			}},
		"capabilities": {give + "cp /usr/bin/newuidmap $DIR; chmod 755 $DIR/newuidmap; setcap cap_setuid=ep $DIR/newuidmap; mount --bind $DIR/newuidmap /usr/bin/newuidmap" + asUser,
			func(found bool, s doctor.SubIDs) bool { return found && s.Trial == doctor.Trial{} && s.UIDMap.Caps }},
		"no ranges": {": >$DIR/ids; mount --bind $DIR/ids /etc/subuid; mount --bind $DIR/ids /etc/subgid" + asUser, func(found bool, s doctor.SubIDs) bool {
			return found && s.Trial.Skipped && s.Next == 0
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := lookFrom(t, where{script: c.script})
			if !c.right(f.Host.NewUIDMap != "", f.SubIDs) {
				t.Errorf("%q %+v", f.Host.NewUIDMap, f.SubIDs)
			}
		})
	}
}

// TestDevices shows files of GPUs and networks in the places of the kernel's.
func TestDevices(t *testing.T) {
	f := lookFrom(t, where{script: `
dev() { for n; do mkdir -p $(dirname $DIR/$n); : >$DIR/$n; mount --bind /dev/null $DIR/$n; done; }
mount -t tmpfs tmpfs $DIR
dev null fuse nvidia0 nvidia11 nvidiactl nvidia-uvm nvidia-modeset kfd dri/renderD128 dri/card0 accel/accel0 infiniband/uverbs0 infiniband/rdma_cm cxi0 hfi1_0
: >$DIR/nvidia7
mount -n --move $DIR /dev
mount -t tmpfs tmpfs /proc/driver
mkdir /proc/driver/nvidia
echo 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03' >/proc/driver/nvidia/version
mount -t tmpfs tmpfs /sys/class
mkdir -p /sys/class/drm/renderD128/device /sys/class/accel/accel0/device /sys/class/infiniband/mlx5_0/ports/1
echo 0x1002 >/sys/class/drm/renderD128/device/vendor
echo 0x1da3 >/sys/class/accel/accel0/device/vendor
cd /sys/class/infiniband/mlx5_0/ports/1
echo '4: ACTIVE' >state; echo '200 Gb/sec (4X HDR)' >rate; echo InfiniBand >link_layer
mount -t tmpfs tmpfs /sys/bus
for d in 0:0x030200:0x10de 1:0x020000:0x15b3 2:0x120000:0x1da3; do
  dir=/sys/bus/pci/devices/${d%%:*}; mkdir -p $dir; d=${d#*:}; echo ${d%%:*} >$dir/class; echo ${d#*:} >$dir/vendor
done
ulimit -l 64
exec $LOOK`})
	paths := func(nodes []doctor.Node) (list []string) {
		for _, n := range nodes {
			list = append(list, n.Path+n.Vendor)
			if n.Open != 0 {
				t.Errorf("%+v", n)
			}
		}
		return list
	}
	if got, want := paths(f.GPU.Nodes), []string{"/dev/nvidia0", "/dev/nvidia11", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/kfd", "/dev/dri/renderD1280x1002", "/dev/accel/accel00x1da3"}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if got, want := paths(f.Fabric.Nodes), []string{"/dev/infiniband/uverbs0", "/dev/cxi0", "/dev/hfi1_0"}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if !slices.Equal(f.Fabric.Ports, []doctor.Port{{Device: "mlx5_0", State: "4: ACTIVE", Rate: "200 Gb/sec (4X HDR)", Layer: "InfiniBand"}}) || f.Fabric.MemLock != 64<<10 {
		t.Errorf("%+v", f.Fabric)
	}
	if !strings.Contains(f.GPU.NVIDIA, "535.129.03") || !slices.Equal(f.GPU.PCI, []string{"0x10de", "0x1da3"}) {
		t.Errorf("%+v", f.GPU)
	}
}

// TestClosedNodes has device nodes that the permissions, and that nothing behind
// them, let nobody open.
func TestClosedNodes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes device nodes")
	}
	dir := tempDir(t)
	closed, dead := filepath.Join(dir, "closed"), filepath.Join(dir, "dead")
	if err := unix.Mknod(dead, unix.S_IFCHR|0o666, int(unix.Mkdev(195, 200))); err != nil {
		t.Fatal(err)
	}
	if got := open(dead); got != unix.ENXIO {
		t.Error(got)
	}
	if err := unix.Mknod(closed, unix.S_IFCHR, int(unix.Mkdev(1, 3))); err != nil {
		t.Fatal(err)
	}
	if got := open(closed); got != 0 {
		t.Errorf("root: %v", got)
	}
	f := lookFrom(t, where{script: "chmod 600 $DIR; mount -t tmpfs tmpfs $DIR; mknod -m 600 $DIR/fuse c 10 229; mknod -m 666 $DIR/null c 1 3; mount -n --move $DIR /dev\n" +
		"exec setpriv --reuid 65533 --regid 65533 --clear-groups $LOOK"})
	if f.Fuse.Open != unix.EACCES || f.Fuse.Mode != 0o600 || !f.Fuse.Device || f.Fuse.Trial.Errno != unix.EACCES {
		t.Errorf("%+v", f.Fuse)
	}
}

// TestCommands asks programs that answer, fail, or do neither.
func TestCommands(t *testing.T) {
	dir, empty := tempDir(t), tempDir(t)
	program := func(name, script string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program("srun", `case $1 in --version) echo slurm 1.2.3;; *) env; echo "$@" >&2;; esac`)
	program("mpirun", "echo 'mpirun (Open MPI) 4.1.2'")
	program("mpiexec.hydra", "echo first >&2; echo no such library >&2; exit 3")
	program("pasta", "")
	if err := os.Symlink("mpirun", filepath.Join(dir, "mpiexec")); err != nil {
		t.Fatal(err)
	}
	m := &machine{Inputs: Inputs{Patience: 2 * time.Second, Environ: []string{"PATH=rel:" + empty + "::" + dir + ":/usr/bin:/bin", "HOME=/h", "SLURM_CONF=/c", "SLURM_JOB_ID=7", "PMIX_RANK=1", "LD_PRELOAD=/x"}}}
	var f doctor.Findings
	for _, part := range []func(context.Context, *machine) func(*doctor.Findings){srun, launchers, programs} {
		part(t.Context(), m)(&f)
	}
	if f.Srun.Path != dir+"/srun" || f.Srun.Version != "slurm 1.2.3" || f.Srun.Err != "" || !strings.HasSuffix(f.Srun.Kinds, "--mpi=list") {
		t.Errorf("%+v", f.Srun)
	}
	for _, name := range []string{"LC_ALL=C", "HOME=/h", "SLURM_CONF=/c", "PATH=rel:"} {
		if !strings.Contains(f.Srun.Kinds, name) {
			t.Errorf("no %s in %q", name, f.Srun.Kinds)
		}
	}
	for _, name := range []string{"SLURM_JOB_ID", "PMIX", "LD_PRELOAD"} {
		if strings.Contains(f.Srun.Kinds, name) {
			t.Errorf("%s in %q", name, f.Srun.Kinds)
		}
	}
	own := slices.DeleteFunc(f.Launchers, func(l doctor.Launcher) bool { return !strings.HasPrefix(l.Path, dir) })
	if want := []doctor.Launcher{{Path: dir + "/mpirun", Output: "mpirun (Open MPI) 4.1.2"}, {Path: dir + "/mpiexec.hydra", Err: "no such library"}}; !slices.Equal(own, want) {
		t.Errorf("%+v", own)
	}
	if f.Programs["pasta"] != dir+"/pasta" {
		t.Errorf("%v", f.Programs)
	}
	program("srun", "sleep 60 & sleep 60")
	began := time.Now()
	srun(t.Context(), m)(&f)
	if f.Srun.Err != "no answer within 1s" || time.Since(began) > 10*time.Second {
		t.Errorf("%+v after %v", f.Srun, time.Since(began))
	}
	program("srun", "exit 3")
	if srun(t.Context(), m)(&f); f.Srun.Err != "exit status 3" {
		t.Errorf("%+v", f.Srun)
	}
}

// TestRealCommands asks the real ones.
func TestRealCommands(t *testing.T) {
	_, err := exec.LookPath("mpirun.openmpi")
	_, err2 := exec.LookPath("mpirun.mpich")
	_, err3 := exec.LookPath("srun")
	need(t, err == nil && err2 == nil && err3 == nil, "no Open MPI, MPICH or Slurm")
	conf := filepath.Join(t.TempDir(), "slurm.conf")
	if err := os.WriteFile(conf, []byte("ClusterName=x\nSlurmctldHost=x(127.0.0.1)\nNodeName=n1\nPartitionName=p Nodes=n1\nPlugStackConfig=/dev/null\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	m := &machine{Inputs: Inputs{Patience: patience, Environ: []string{"PATH=/usr/bin", "SLURM_CONF=" + conf}}}
	f := doctor.Findings{Host: nil}
	srun(t.Context(), m)(&f)
	launchers(t.Context(), m)(&f)
	if f.Srun.Err != "" || !strings.HasPrefix(f.Srun.Version, "slurm") || !strings.Contains(f.Srun.Kinds, "pmi2") {
		t.Errorf("%+v", f.Srun)
	}
	var families []string
	for _, l := range f.Launchers {
		families = append(families, strings.Fields(l.Output + " nothing")[0]+l.Err)
	}
	if !slices.ContainsFunc(families, func(s string) bool { return strings.HasPrefix(s, "mpirun") }) || !slices.Contains(families, "HYDRA") {
		t.Errorf("%+v", f.Launchers)
	}
}

func TestPlaces(t *testing.T) {
	dir := tempDir(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if p := place(filepath.Join(dir, "a/b")); p.At != dir || p.Err != "" || p.Write != 0 {
		t.Errorf("%+v", p)
	}
	if p := place(filepath.Join(file, "a")); p.Err == "" {
		t.Errorf("below a file: %+v", p)
	}
	if p := place(file); p.Write != unix.ENOTDIR {
		t.Errorf("a file: %+v", p)
	}
	if os.Geteuid() == 0 {
		return
	}
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0); err != nil {
		t.Fatal(err)
	}
	if p := place(closed); p.Write != unix.EACCES {
		t.Errorf("%+v", p)
	}
	if p := place(filepath.Join(closed, "a")); !strings.Contains(p.Err, "permission denied") {
		t.Errorf("%+v", p)
	}
}
