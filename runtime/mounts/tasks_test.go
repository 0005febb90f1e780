package mounts

import (
	"strings"
	"testing"
)

func TestSeveralTasks(t *testing.T) {
	for environ, want := range map[string]bool{
		"":                                   false,
		"SLURM_NTASKS=8 SLURM_PROCID=0":      false, // the batch script itself
		"SLURM_STEP_TASKS_PER_NODE=1":        false,
		"SLURM_STEP_TASKS_PER_NODE=1(x16)":   false,
		"SLURM_STEP_TASKS_PER_NODE=2":        true,
		"SLURM_STEP_TASKS_PER_NODE=4(x2),1":  true,
		"SLURM_STEP_TASKS_PER_NODE=1,4(x2)":  true,
		"OMPI_COMM_WORLD_LOCAL_SIZE=2":       true,
		"OMPI_COMM_WORLD_LOCAL_SIZE=1":       false,
		"MPI_LOCALNRANKS=3 PMI_SIZE=3":       true,
		"MPI_LOCALNRANKS=1 PMI_SIZE=30":      false,
		"PMI_SIZE=2":                         true,
		"PALS_LOCAL_SIZE=128":                true,
		"PMI_SIZE=x SLURM_STEP_TASKS=many":   false,
		"XPMI_SIZE=2 SLURM_TASKS_PER_NODE=4": false,
	} {
		if got := severalTasks(strings.Fields(environ)); got != want {
			t.Errorf("%q: %v", environ, got)
		}
	}
}
