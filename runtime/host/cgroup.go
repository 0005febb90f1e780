package host

import (
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/runtime/cgroup"
	"github.com/sealift/sealift/starter/mountinfo"
)

// Groups returns the control groups of a process, "self" or a number, with what the
// caller may do in them. Nothing is made to find out.
func Groups(pid string) []cgroup.Group {
	list := cgroup.Own(read("/proc/" + pid + "/cgroup"))
	table := mountinfo.Parse([]byte(read("/proc/self/mountinfo")))
	for i := range list {
		g := &list[i]
		dirs, tops := cgroup.Places(*g, table)
		for j, dir := range dirs {
			if unix.Access(path.Join(dir, "cgroup.procs"), unix.F_OK) == nil { // nothing covers it
				lookAt(g, dir, tops[j])
				break
			}
		}
	}
	return list
}

// lookAt fills in what is to be known of a group in dir, and of those above it up to top.
func lookAt(g *cgroup.Group, dir, top string) {
	g.Dir = dir
	g.Child = access(dir, unix.W_OK|unix.X_OK)
	g.Enter = access(path.Join(dir, "cgroup.procs"), unix.W_OK)
	if g.Version != 2 {
		return
	}
	g.Controllers = strings.Fields(read(path.Join(dir, "cgroup.controllers")))
	g.Enabled = strings.Fields(read(path.Join(dir, "cgroup.subtree_control")))
	g.Enable = access(path.Join(dir, "cgroup.subtree_control"), unix.W_OK)
	g.Top = access(path.Join(dir, "cgroup.type"), unix.F_OK) != 0 // cgroups(7)
	g.Unit = unit(dir)
	if !g.Top { // where processes are in nobody's way
		for pid := range strings.FieldsSeq(read(path.Join(dir, "cgroup.procs"))) {
			g.Procs++
			if !own(pid) {
				g.Foreign++
			}
		}
	}
	if dir != top && g.Path != "/" {
		g.Parent = &cgroup.Group{Version: 2, Path: path.Dir(g.Path)}
		lookAt(g.Parent, path.Dir(dir), top)
	}
}

// access returns the error of using a file so, 0 for none.
func access(name string, mode uint32) syscall.Errno {
	errno, _ := unix.Access(name, mode).(syscall.Errno)
	return errno
}

// own says whether a process is the caller's; one of another PID namespace has no
// number, and is not.
func own(pid string) bool {
	var st unix.Stat_t
	return pid != "0" && unix.Stat("/proc/"+pid, &st) == nil && int(st.Uid) == os.Geteuid()
}

// unit says whether a group has the name of a unit of systemd and is not known to be
// delegated (systemd.resource-control(5)). The system's manager marks those that are; a
// user's does not, but keeps files of what systemd-run makes.
func unit(dir string) bool {
	switch path.Ext(dir) {
	case ".scope", ".service", ".slice":
	default:
		return false
	}
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		mark := make([]byte, 8)
		if n, err := unix.Getxattr(dir, name, mark); err == nil && string(mark[:n]) == "1" {
			return false
		}
	}
	transient := fmt.Sprintf("/run/user/%d/systemd/transient/%s", os.Geteuid(), path.Base(dir))
	return !delegates(read(transient))
}

// delegates says whether a unit's file has Delegate=, with yes or some controllers.
func delegates(text string) bool {
	on := false
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "Delegate="); ok {
			on = value != "" && value != "no"
		}
	}
	return on
}

// groups finds out what limits of a container can be based on.
func (f *Facts) groups() {
	f.Cgroups.Groups = Groups("self")
	f.Cgroups.PID = os.Getpid()
	for _, name := range jobVariables {
		if _, ok := f.variable(name); ok {
			f.Cgroups.Job = true
		}
	}
	if f.Manager = f.manager(); f.Manager != "" {
		f.Cgroups.Manager = true
	}
}

// manager returns the socket of the systemd that manages the caller's processes, empty
// where there is none: of the machine for root, else of the user.
func (f *Facts) manager() string {
	name := "/run/systemd/private"
	if f.UID != 0 {
		dir, ok := f.variable("XDG_RUNTIME_DIR")
		if !ok || !path.IsAbs(dir) {
			dir = "/run/user/" + strconv.Itoa(int(f.UID))
		}
		name = path.Join(dir, "systemd/private")
	}
	if access(name, unix.W_OK) != 0 {
		return ""
	}
	return name
}

// variable returns an environment variable of the caller.
func (f *Facts) variable(name string) (string, bool) {
	for _, kv := range f.Environ {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value, value != ""
		}
	}
	return "", false
}

// jobVariables are those of jobs of Slurm, PBS, LSF, Flux, OAR and Grid Engine.
var jobVariables = []string{"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID", "OAR_JOB_ID", "SGE_TASK_ID"}
