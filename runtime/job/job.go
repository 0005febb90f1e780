// Package job tells from the environment what a batch system or an MPI launcher says
// of the process that it started.
//
// Input: variables, in the form of environ(7). Output: numbers. It is pure, and
// trusts nothing that it reads to be a number.
package job

import (
	"strconv"
	"strings"
)

// local are variables with the number of tasks of the job step on this node: of Open
// MPI and PRRTE, MPICH's and Intel's Hydra, MVAPICH, Cray's PALS, and PMI on Crays.
var local = []string{
	"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_LOCAL_SIZE", "PALS_LOCAL_SIZE", "PMI_LOCAL_SIZE",
}

// LocalTasks returns how many tasks of the caller's job step are on this node, or, where
// only their number on all nodes is known, how many may be; 1 where nothing tells of a
// step. The batch script of a job is no step.
func LocalTasks(environ []string) int {
	for _, name := range local {
		if n, ok := number(environ, name); ok {
			return n
		}
	}
	if list, ok := lookup(environ, "SLURM_STEP_TASKS_PER_NODE"); ok {
		node, known := number(environ, "SLURM_NODEID")
		if !known {
			node = -1
		}
		return tasksOf(list, node)
	}
	if all, ok := number(environ, "FLUX_JOB_SIZE"); ok { // flux-environment(7)
		nodes, _ := number(environ, "FLUX_JOB_NNODES")
		return (all + max(nodes, 1) - 1) / max(nodes, 1)
	}
	if all, ok := number(environ, "PMI_SIZE"); ok {
		return max(all, 1)
	}
	return 1
}

// Launchers are the names of processes whose children, or theirs, are tasks: of MPICH's and
// Intel's Hydra, Open MPI, PRRTE, Slurm, Flux, PALS and PBS (as proc_pid_comm(5) has them,
// with 15 characters).
func Launchers() []string {
	return []string{
		"hydra_pmi_proxy", "hydra_bstrap_pr", "mpiexec.hydra", "mpirun.mpich", "mpiexec.mpich", "mpiexec", "mpirun", "orterun", "orted", "prterun", "prte", "prted",
		"slurmstepd", "flux-shell", "palsd", "pbs_mom",
	}
}

// Step tells the caller's job step from others on this machine, and the node that it
// believes to be on. The step is empty where nothing but its launcher tells it.
func Step(environ []string) (step, node string) {
	node, _ = lookup(environ, "SLURMD_NODENAME")
	job, _ := lookup(environ, "SLURM_JOB_ID")
	if number, ok := lookup(environ, "SLURM_STEP_ID"); ok && job != "" {
		return "slurm " + job + "." + number, node
	}
	for _, name := range []string{"PMIX_NAMESPACE", "PALS_APID", "FLUX_JOB_ID"} {
		if value, ok := lookup(environ, name); ok && value != "" {
			return name + " " + value, node
		}
	}
	return "", node
}

// tasksOf returns the number of tasks on a node of a list such as 2(x3),1, which is
// three nodes with two and one with one (sbatch(1), SLURM_TASKS_PER_NODE), or the
// greatest where the node, counted from 0, is none of it.
func tasksOf(list string, node int) int {
	most, at := 1, 0
	for item := range strings.SplitSeq(list, ",") {
		count, times, _ := strings.Cut(item, "(x")
		tasks, err := strconv.Atoi(count)
		if err != nil {
			return 1
		}
		nodes := 1
		if times != "" {
			if nodes, err = strconv.Atoi(strings.TrimSuffix(times, ")")); err != nil {
				return 1
			}
		}
		if at <= node && node-at < nodes {
			return tasks
		}
		most, at = max(most, tasks), at+nodes
	}
	return most
}

// number returns the value of a variable, which is at least 0.
func number(environ []string, name string) (int, bool) {
	value, ok := lookup(environ, name)
	n, err := strconv.Atoi(value)
	return n, ok && err == nil && n >= 0
}

func lookup(environ []string, name string) (string, bool) {
	for _, kv := range environ {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value, true
		}
	}
	return "", false
}
