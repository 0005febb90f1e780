// Package doctor says what works on a machine, what does not, and what to do
// about it.
//
// Input: Findings, gathered by package probe. Output: a Check for each thing
// that containers need or can use. It is pure: the same findings always give the
// same checks, and it makes no system call.
package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// State is how a check ended.
type State string

// The states.
const (
	// OK: it works.
	OK State = "ok"
	// Warning: containers run, but what Effect names does not work.
	Warning State = "warning"
	// Failed: containers cannot run.
	Failed State = "failed"
	// Absent: something that containers can do without is not here.
	Absent State = "absent"
)

// Check is what came of looking at one thing. Its JSON is an interface: fields
// are added, and neither renamed nor removed.
type Check struct {
	// Name is one of Names.
	Name  string `json:"name"`
	State State  `json:"state"`
	// Found is what is there, in one line.
	Found string `json:"found"`
	// Effect is what follows from it, in one line, empty where State is OK.
	Effect string `json:"effect"`
	// Fix is what to do about it: lines of text and of commands, as they are
	// typed. It is empty where State is OK.
	Fix string `json:"fix"`
}

// examination is how a check is made.
type examination struct {
	name, about string
	examine     func(*Findings) Check
}

// examinations are all, in the order in which they are shown: what a start needs
// comes first.
func examinations() []examination {
	return []examination{
		{"kernel", "whether it is new enough", (*Findings).kernel},
		{"userns", "user namespaces, which containers of ordinary users run in", (*Findings).userns},
		{"proc", "whether containers get a /proc of their own", (*Findings).proc},
		{"fuse", "FUSE, by which image files are mounted", (*Findings).fuse},
		{"overlay", "overlayfs, for changes to files of images", (*Findings).overlay},
		{"root-emulation", "what builds do as root without being root", (*Findings).emulation},
		{"subids", "ranges of ids for --fakeroot", (*Findings).subids},
		{"cgroup", "control groups, for limits of containers", (*Findings).cgroup},
		{"slurm", "the batch system, and the job that this runs in", (*Findings).slurm},
		{"pmi", "how MPI ranks would find each other", (*Findings).pmi},
		{"mpi", "MPI launchers of the host", (*Findings).mpi},
		{"gpu", "GPUs, their drivers and device nodes", (*Findings).gpu},
		{"fabric", "InfiniBand, Slingshot and Omni-Path", (*Findings).fabric},
		{"cache", "the directory of the cache", (*Findings).cache},
		{"tmpdir", "the directory for temporary files", (*Findings).tmpdir},
		{"session", "the directory that containers are put together on", (*Findings).session},
		{"network", "programs for networks of containers", (*Findings).network},
		{"extfs", "the program that mounts ext3 images", (*Findings).extfs},
	}
}

// Names returns the names of all checks, in order.
func Names() []string {
	var names []string
	for _, e := range examinations() {
		names = append(names, e.name)
	}
	return names
}

// About returns a line of a few words on the check with this name.
func About(name string) string {
	for _, e := range examinations() {
		if e.name == name {
			return e.about
		}
	}
	return ""
}

// Examine makes all checks, in order.
func Examine(f Findings) []Check {
	var checks []Check
	for _, e := range examinations() {
		c := Check{State: Warning, Effect: "whatever uses it hangs as well", Fix: fixLate}
		if slices.Contains(f.Late, e.name) {
			c.Found = fmt.Sprintf("no answer within %d s", f.Patience)
			if e.name == "userns" || e.name == "fuse" {
				c.State = Failed
			}
		} else {
			c = e.examine(&f)
		}
		c.Name = e.name
		checks = append(checks, c)
	}
	return checks
}

// fixLate is for what hangs.
const fixLate = "find out what does not answer: df and ls on the file systems here, or a name service (getent passwd)"

// works is a check that found nothing wrong.
func works(format string, args ...any) Check {
	return Check{State: OK, Found: fmt.Sprintf(format, args...)}
}

// asRoot is a command of the administrator.
func asRoot(format string, args ...any) string { return "as root: " + fmt.Sprintf(format, args...) }

// join lists what is there, or says that nothing is.
func join(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
