package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

func (f *Findings) slurm() Check {
	s, job := f.Srun, f.variable("SLURM_JOB_ID")
	switch {
	case s.Path == "" && job == "":
		return Check{State: Absent, Found: "no srun in PATH, and no job",
			Effect: "none, unless this machine belongs to a cluster with Slurm",
			Fix:    asRoot("apt-get install slurm-client (Debian, Ubuntu) or dnf install slurm (EPEL), of the cluster's release")}
	case s.Path == "":
		return Check{State: Warning, Found: f.job() + ", but no srun in PATH",
			Effect: "steps of the job cannot be started from here",
			Fix:    "add the directory of Slurm's commands to PATH: export PATH=/opt/slurm/bin:$PATH"}
	case s.Err != "":
		return Check{State: Warning, Found: s.Path + ": " + s.Err,
			Effect: "jobs and steps cannot be started from here",
			Fix:    "export SLURM_CONF=FILE, the cluster's slurm.conf, or use a login node of the cluster"}
	case job == "":
		return works("%s, not in a job", release(s.Version))
	}
	return works("%s, %s", release(s.Version), f.job())
}

// release is what is behind the name in "slurm-wlm 22.05.8".
func release(text string) string {
	fields := strings.Fields(text)
	if len(fields) < 2 {
		return "unknown version"
	}
	return fields[1]
}

// job describes the job, the step and how many tasks it has.
func (f *Findings) job() string {
	text := "job " + f.variable("SLURM_JOB_ID")
	tasks, list := f.variable("SLURM_NTASKS"), f.variable("SLURM_TASKS_PER_NODE")
	if step := f.variable("SLURM_STEP_ID"); step != "" {
		text += ", step " + step
		tasks, list = f.variable("SLURM_STEP_NUM_TASKS"), f.variable("SLURM_STEP_TASKS_PER_NODE")
	}
	if tasks == "" {
		return text
	}
	text += ", tasks: " + tasks
	node, err := strconv.Atoi(f.variable("SLURM_NODEID"))
	if n, ok := tasksOf(list, node); ok && err == nil {
		text += fmt.Sprintf(", here: %d", n)
	}
	return text
}

// tasksOf returns how many tasks a node has, by its place in a list such as
// "2(x3),1" (srun(1), SLURM_TASKS_PER_NODE).
func tasksOf(list string, node int) (tasks int, ok bool) {
	for part := range strings.SplitSeq(list, ",") {
		n, times := 0, 1
		if _, err := fmt.Sscanf(part, "%d(x%d)", &n, &times); err != nil {
			if n, err = strconv.Atoi(part); err != nil {
				return 0, false
			}
		}
		if node -= times; node < 0 {
			return n, true
		}
	}
	return 0, false
}

// flavours are the plugins for MPI that srun offers, but none.
func (f *Findings) flavours() []string {
	var list []string
	for line := range strings.Lines(f.Srun.Kinds) {
		name := strings.TrimSpace(line)
		if name != "" && name != "none" && !strings.Contains(name, " ") {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

func (f *Findings) pmi() Check {
	fd := f.variable("PMI_FD")
	number, err := strconv.Atoi(fd)
	switch {
	case fd != "" && (err != nil || !slices.Contains(f.OpenFDs, number)):
		return Check{State: Warning, Found: "PMI_FD is " + fd + ", and no such descriptor is open",
			Effect: "an MPI program runs as separate programs of one rank each, without an error",
			Fix:    "keep the descriptor open in what is between the launcher and sealift: no sudo, ssh or wrapper that closes it"}
	case f.variable("PMIX_RANK") != "":
		return works("PMIx, rank %s, namespace %s", f.variable("PMIX_RANK"), cmp.Or(f.variable("PMIX_NAMESPACE"), "unknown"))
	case fd != "":
		return works("PMI, rank %s of %s, descriptor %s", f.variable("PMI_RANK"), f.variable("PMI_SIZE"), fd)
	case f.variable("PMI_CONTROL_PORT") != "":
		return works("PMI of HPE Cray, rank %s", cmp.Or(f.variable("PMI_RANK"), f.variable("PALS_RANKID")))
	}
	if n, err := strconv.Atoi(f.variable("SLURM_STEP_NUM_TASKS")); err == nil && n > 1 && f.variable("SLURM_STEP_ID") != "" {
		return Check{State: Warning, Found: fmt.Sprintf("none, in a step of %d tasks", n) + f.offers(),
			Effect: fmt.Sprintf("an MPI program runs as %d separate programs of one rank each, without an error", n),
			Fix:    f.withSrun()}
	}
	c := Check{State: Absent, Found: "not started by a launcher" + f.offers(), Effect: "an MPI program that is started like this has one rank",
		Fix: "mpirun -n 4 sealift exec IMAGE PROGRAM"}
	if len(f.flavours()) > 0 {
		c.Fix = f.withSrun()
	}
	return c
}

// offers says what srun offers, if that is known.
func (f *Findings) offers() string {
	if f.Srun.Kinds == "" {
		return ""
	}
	return "; srun offers " + join(f.flavours())
}

// withSrun says how to start ranks with what srun offers.
func (f *Findings) withSrun() string {
	var lines []string
	for _, way := range []struct{ kind, families string }{
		{"pmix", "Open MPI, MPICH with PMIx"}, {"pmi2", "MPICH, MVAPICH, Intel MPI"}, {"cray_shasta", "Cray MPICH"},
	} {
		if slices.Contains(f.flavours(), way.kind) {
			lines = append(lines, fmt.Sprintf("srun --mpi=%s -n 4 sealift exec IMAGE PROGRAM (%s)", way.kind, way.families))
		}
	}
	if len(lines) == 0 {
		return "srun --mpi=list shows the ways that there are; without pmix and pmi2, have Slurm built with PMIx, or use mpirun in an allocation"
	}
	return strings.Join(lines, "\n")
}

func (f *Findings) mpi() Check {
	var found, broken []string
	for _, l := range f.Launchers {
		if l.Err != "" {
			broken = append(broken, l.Path+": "+l.Err)
			continue
		}
		family, version := launcherOf(l.Output)
		if text := strings.TrimSpace(family + " " + version); !slices.ContainsFunc(found, func(s string) bool { return strings.HasPrefix(s, text+" (") }) {
			found = append(found, fmt.Sprintf("%s (%s)", text, l.Path))
		}
	}
	switch {
	case len(f.Launchers) == 0:
		return Check{State: Absent, Found: "no mpirun and no mpiexec in PATH", Effect: "several ranks can be started by srun only, or within one container",
			Fix: "load an MPI as the site says (module avail; module load openmpi), or install openmpi-bin or mpich"}
	case len(broken) > 0:
		return Check{State: Warning, Found: strings.Join(append(broken, found...), "; "), Effect: "it starts no ranks",
			Fix: "load its module again, so that it finds its libraries (LD_LIBRARY_PATH), or take it out of PATH"}
	}
	return works("%s", strings.Join(found, ", "))
}

// launcherOf tells the family and the version from what a launcher prints for
// --version. Those of unknown families are called by their first line.
func launcherOf(text string) (family, version string) {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	after := func(text, mark string) string {
		_, rest, _ := strings.Cut(text, mark)
		return firstWord(rest)
	}
	switch {
	case strings.Contains(first, "(Open MPI)"):
		return "Open MPI", after(first, "(Open MPI)")
	case strings.Contains(first, "(OpenRTE)"):
		return "Open MPI", after(first, "(OpenRTE)")
	case strings.Contains(first, "(IBM Spectrum MPI)"):
		return "IBM Spectrum MPI", after(first, "(IBM Spectrum MPI)")
	case strings.Contains(first, "Intel(R) MPI Library"):
		return "Intel MPI", after(first, "Version")
	case strings.HasPrefix(first, "HYDRA build details"):
		return "MPICH", after(text, "Version:") // so do its descendants
	}
	return cmp.Or(first, "a launcher of an unknown kind"), ""
}

func firstWord(text string) string {
	if fields := strings.Fields(text); len(fields) > 0 {
		return fields[0]
	}
	return ""
}
