package mpi

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/runtime/doctor"
	"github.com/sealift/sealift/runtime/doctor/mpi/libraries"
	"github.com/sealift/sealift/runtime/host"
)

var (
	ompi  = libraries.Library{Path: "/usr/lib/x/libmpi.so.40.30.4", SoName: "libmpi.so.40", Version: "4.1.4"}
	plain = libraries.Library{Path: "/usr/lib/x/libmpich.so.12.2.2", SoName: "libmpich.so.12", Version: "4.0.2"}
	intel = libraries.Library{Path: "/opt/intel/lib/libmpi.so.12", SoName: "libmpi.so.12", Version: "2021.9.0"}
	withX = libraries.Library{Path: "/opt/m/lib/libmpi.so.12", SoName: "libmpi.so.12", Needs: []string{"libpmix.so.2"}}
	cray  = libraries.Library{Path: "/opt/cray/lib/libmpi_cray.so.12", SoName: "libmpi_cray.so.12"}
	pmix  = libraries.Library{Path: "/usr/lib/libpmix.so.2", SoName: "libpmix.so.2"}
	verbs = libraries.Library{Path: "/usr/lib/libibverbs.so.1", SoName: "libibverbs.so.1"}

	openmpirun = doctor.Launcher{Path: "/usr/bin/mpirun", Output: "mpirun (Open MPI) 4.1.4"}
	hydra      = doctor.Launcher{Path: "/usr/bin/mpiexec.hydra", Output: "HYDRA build details:\n    Version: 4.0.2"}
)

// slurm is a machine whose srun offers these kinds.
func slurm(kinds string, launchers ...doctor.Launcher) Findings {
	f := Findings{Image: "a b.sif", PluginDir: "/usr/lib/slurm", Host: []libraries.Library{pmix}}
	f.Machine.Host = &host.Facts{}
	f.Machine.Launchers = launchers
	if kinds != "" {
		f.Machine.Srun = doctor.Srun{Path: "/usr/bin/srun", Version: "slurm 22.05.8", Kinds: "MPI plugin types are...\n\t" + strings.ReplaceAll(kinds, " ", "\n\t")}
		f.Plugins = strings.Fields(kinds)
	}
	return f
}

// TestStart: the line that starts ranks follows from the image's family and what there is.
func TestStart(t *testing.T) {
	for name, c := range map[string]struct {
		machine Findings
		inside  []libraries.Library
		start   string
		state   doctor.State
	}{
		"open mpi, pmix":        {slurm("none pmix_v4 pmix pmi2"), []libraries.Library{ompi}, "srun --mpi=pmix -n 4 sealift exec 'a b.sif' PROGRAM", doctor.OK},
		"open mpi, one version": {slurm("pmix_v5"), []libraries.Library{ompi}, "srun --mpi=pmix -n 4 sealift exec 'a b.sif' PROGRAM", doctor.OK},
		"mpich, pmi2":           {slurm("none pmix pmi2"), []libraries.Library{plain}, "srun --mpi=pmi2 -n 4 sealift exec 'a b.sif' PROGRAM", doctor.OK},
		"intel":                 {slurm("none pmix pmi2"), []libraries.Library{intel}, "srun --mpi=pmi2 -n 4 sealift exec 'a b.sif' PROGRAM", doctor.OK},
		"mpich with pmix":       {slurm("none pmix pmi2"), []libraries.Library{withX}, "srun --mpi=pmix -n 4 sealift exec 'a b.sif' PROGRAM", doctor.OK},
		"cray":                  {slurm("cray_shasta pmi2"), []libraries.Library{cray}, "srun --mpi=cray_shasta -n 4 sealift exec 'a b.sif' PROGRAM", doctor.OK},
		"open mpi, pmi2 only":   {slurm("none pmi2", hydra, openmpirun), []libraries.Library{ompi}, "/usr/bin/mpirun -n 4 sealift exec 'a b.sif' PROGRAM", doctor.Warning},
		"no slurm":              {slurm("", hydra, openmpirun), []libraries.Library{plain}, "/usr/bin/mpiexec.hydra -n 4 sealift exec 'a b.sif' PROGRAM", doctor.OK},
		"nothing fits":          {slurm("", openmpirun), []libraries.Library{plain}, "sealift exec 'a b.sif' mpirun -n 4 PROGRAM", doctor.Warning},
		"the usual directory":   {slurm("pmix pmi2"), []libraries.Library{intel, ompi}, "srun --mpi=pmix -n 4 sealift exec 'a b.sif' PROGRAM", doctor.OK},
	} {
		f := c.machine
		f.Inside = c.inside
		r := Examine(f)
		if got := find(t, r, "start"); r.Start != c.start || got.State != c.state || (got.State == doctor.OK) != (got.Fix == "" && got.Effect == "") {
			t.Errorf("%s: %s, %+v", name, r.Start, got)
		}
	}
}

func find(t *testing.T, r Report, name string) doctor.Check {
	t.Helper()
	i := slices.IndexFunc(r.Checks, func(c doctor.Check) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no check %s: %+v", name, r)
	}
	return r.Checks[i]
}

// TestBinds: PMIx has files in slurmd's directory.
func TestBinds(t *testing.T) {
	f := slurm("pmix pmi2")
	f.Inside, f.SpoolDir = []libraries.Library{ompi}, "/var/spool/slurmd"
	if r := Examine(f); r.Start != "srun --mpi=pmix -n 4 sealift exec --bind /var/spool/slurmd 'a b.sif' PROGRAM" || !reflect.DeepEqual(r.Binds, []string{"/var/spool/slurmd"}) {
		t.Errorf("%+v", r)
	}
	f.Inside = []libraries.Library{plain}
	if r := Examine(f); len(r.Binds) != 0 {
		t.Errorf("%+v", r)
	}
	f.Inside, f.SpoolDir = []libraries.Library{ompi}, "/tmp/slurmd"
	if r := Examine(f); len(r.Binds) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestChecks(t *testing.T) {
	f := slurm("pmix pmi2")
	f.Image = ""
	if r := Examine(f); len(r.Checks) != 5 || r.Start != "" || find(t, r, "plugins").State != doctor.OK {
		t.Errorf("%+v", r)
	}
	f.Host = nil
	if c := find(t, Examine(f), "plugins"); c.State != doctor.Warning || !strings.Contains(c.Found, "no libpmix") {
		t.Errorf("%+v", c)
	}
	f = slurm("pmix pmi2")
	f.Plugins = nil
	if c := find(t, Examine(f), "plugins"); c.State != doctor.Warning || !strings.HasPrefix(c.Found, "none for MPI") {
		t.Errorf("%+v", c)
	}
	if c := find(t, Examine(Findings{Machine: doctor.Findings{Host: &host.Facts{}}}), "plugins"); c.State != doctor.Absent {
		t.Errorf("%+v", c)
	}
	f = slurm("pmix pmi2")
	if c := find(t, Examine(f), "image-mpi"); c.State != doctor.Absent {
		t.Errorf("%+v", c)
	}
	f.Inside = []libraries.Library{ompi, plain, verbs}
	if c := find(t, Examine(f), "image-mpi"); c.State != doctor.Warning || !strings.Contains(c.Found, "Open MPI 4.1.4 (libmpi.so.40, /usr/lib/x/libmpi.so.40.30.4), MPICH 4.0.2") {
		t.Errorf("%+v", c)
	}
	if c := find(t, Examine(f), "image-network"); c.State != doctor.Absent {
		t.Errorf("%+v", c)
	}
	f.Machine.Fabric.Nodes = []doctor.Node{{Path: "/dev/infiniband/uverbs0"}}
	if c := find(t, Examine(f), "image-network"); c.State != doctor.OK {
		t.Errorf("%+v", c)
	}
	f.Inside = f.Inside[:1]
	if c := find(t, Examine(f), "image-network"); c.State != doctor.Warning || !strings.Contains(c.Found, "no libibverbs") {
		t.Errorf("%+v", c)
	}
	for _, name := range Names() {
		find(t, Examine(f), name)
	}
}
