package mounts

import (
	"strconv"
	"strings"
)

// taskCounts are variables with the number of tasks on this node, or of the job where
// a launcher tells no other number: of Open MPI, MPICH's and Intel's Hydra, Cray PALS,
// PMI, and Slurm's srun, which writes 2(x3),1 for three nodes with two and one with one.
var taskCounts = []string{
	"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "PALS_LOCAL_SIZE", "PMI_SIZE", "SLURM_STEP_TASKS_PER_NODE",
}

// severalTasks says whether the environment is that of one of several tasks of a
// job step that may be on one node. The first variable that there is tells.
func severalTasks(environ []string) bool {
	for _, name := range taskCounts {
		for _, kv := range environ {
			value, ok := strings.CutPrefix(kv, name+"=")
			if !ok {
				continue
			}
			for count := range strings.SplitSeq(value, ",") {
				number, _, _ := strings.Cut(count, "(")
				if n, err := strconv.Atoi(number); err == nil && n > 1 {
					return true
				}
			}
			return false
		}
	}
	return false
}
