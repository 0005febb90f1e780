package job

import (
	"strings"
	"testing"
)

func TestLocalTasks(t *testing.T) {
	for environ, want := range map[string]int{
		"":                                   1,
		"SLURM_NTASKS=8 SLURM_PROCID=0":      1, // the batch script itself
		"SLURM_TASKS_PER_NODE=4":             1,
		"SLURM_STEP_TASKS_PER_NODE=1":        1,
		"SLURM_STEP_TASKS_PER_NODE=1(x16)":   1,
		"SLURM_STEP_TASKS_PER_NODE=2":        2,
		"SLURM_STEP_TASKS_PER_NODE=4(x2),1":  4,
		"SLURM_STEP_TASKS_PER_NODE=1,4(x2)":  4,
		"SLURM_STEP_TASKS_PER_NODE=x":        1,
		"SLURM_STEP_TASKS_PER_NODE=3(xy)":    1,
		"OMPI_COMM_WORLD_LOCAL_SIZE=2":       2,
		"OMPI_COMM_WORLD_LOCAL_SIZE=1":       1,
		"OMPI_COMM_WORLD_LOCAL_SIZE=-4":      1,
		"MPI_LOCALNRANKS=3 PMI_SIZE=6":       3,
		"MPI_LOCALNRANKS=1 PMI_SIZE=30":      1,
		"MV2_COMM_WORLD_LOCAL_SIZE=5":        5,
		"PALS_LOCAL_SIZE=128":                128,
		"PMI_LOCAL_SIZE=7 PMI_SIZE=70":       7,
		"PMI_SIZE=2":                         2,
		"PMI_SIZE=0":                         1,
		"FLUX_JOB_SIZE=8 FLUX_JOB_NNODES=4":  2,
		"FLUX_JOB_SIZE=9 FLUX_JOB_NNODES=4":  3,
		"FLUX_JOB_SIZE=4 FLUX_JOB_NNODES=4":  1,
		"FLUX_JOB_SIZE=4":                    4,
		"PMI_SIZE=x SLURM_STEP_TASKS=many":   1,
		"XPMI_SIZE=2 SLURM_TASKS_PER_NODE=4": 1,
		"SLURM_NODEID=0 " + stepTasks:        2,
		"SLURM_NODEID=2 " + stepTasks:        2,
		"SLURM_NODEID=3 " + stepTasks:        1,
		"SLURM_NODEID=9 " + stepTasks:        2,
		"SLURM_NODEID=many " + stepTasks:     2,
	} {
		if got := LocalTasks(strings.Fields(environ)); got != want {
			t.Errorf("%q: %d", environ, got)
		}
	}
}

const stepTasks = "SLURM_STEP_TASKS_PER_NODE=2(x3),1"
