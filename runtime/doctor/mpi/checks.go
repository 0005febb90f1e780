package mpi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift/runtime/doctor"
	"github.com/sealift/sealift/runtime/doctor/mpi/libraries"
	"github.com/sealift/sealift/runtime/wrapper"
)

// plugins is about what Slurm can start ranks by.
func (f *Findings) plugins() doctor.Check {
	if f.Machine.Srun.Path == "" && f.PluginDir == "" {
		return doctor.Check{State: doctor.Absent, Found: "no Slurm here", Effect: "none, where jobs are started by other means",
			Fix: "call it where srun is"}
	}
	if len(f.Plugins) == 0 {
		return doctor.Check{State: doctor.Warning, Found: "none for MPI in " + orUnknown(f.PluginDir), Effect: "srun starts ranks that do not find each other",
			Fix: "have Slurm built with PMIx, or install its plugins (Debian: slurm-wlm-basic-plugins); until then use mpirun in an allocation"}
	}
	found := strings.Join(f.Plugins, ", ") + " in " + orUnknown(f.PluginDir)
	if f.offers("pmix") && !slices.ContainsFunc(f.Host, func(l libraries.Library) bool { return strings.HasPrefix(l.SoName, "libpmix.") }) {
		return doctor.Check{State: doctor.Warning, Found: found + ", but no libpmix", Effect: "steps with --mpi=pmix do not start",
			Fix: "as root: install the PMIx that Slurm was built with (Debian: libpmix2), on all nodes"}
	}
	return works("%s", found)
}

func orUnknown(dir string) string {
	if dir == "" {
		return "a directory that is not known"
	}
	return dir
}

// offers says whether srun starts ranks by a plugin of a kind, of any version: by what it
// says itself, or else by the files of plugins.
func (f *Findings) offers(kind string) bool {
	kinds := strings.FieldsFunc(f.Machine.Srun.Kinds, func(r rune) bool { return strings.ContainsRune(" \t\n,:", r) })
	if f.Machine.Srun.Path == "" {
		return false
	}
	if len(kinds) == 0 {
		kinds = f.Plugins
	}
	return slices.ContainsFunc(kinds, func(p string) bool { return p == kind || strings.HasPrefix(p, kind+"_v") })
}

// imageMPI is about which MPI the image has.
func (f *Findings) imageMPI(all []installed) doctor.Check {
	if len(all) == 0 {
		return doctor.Check{State: doctor.Absent, Found: "no library of MPI below /usr, /lib and /opt of the image",
			Effect: "it has no MPI programs, or they have MPI in themselves", Fix: "install openmpi-bin or mpich in the image, if ranks are to run in it"}
	}
	var list []string
	for i := range all {
		list = append(list, fmt.Sprintf("%s (%s, %s)", all[i].title(), all[i].abi, all[i].lib.Path))
	}
	if len(all) > 1 {
		return doctor.Check{State: doctor.Warning, Found: strings.Join(list, ", "), Effect: "the rest is about the first; a program that is linked to another one needs that one's way",
			Fix: "have one MPI in the image; 'sealift exec IMAGE ldd PROGRAM' tells which one a program takes"}
	}
	return works("%s", list[0])
}

// imagePMI is about how its ranks find each other.
func imagePMI(m installed) doctor.Check {
	how := map[string]string{"pmix": "PMIx", "pmi2": "PMI-1 and PMI-2, by a descriptor of the launcher's", "cray_shasta": "PMI of HPE Cray"}
	var list []string
	for _, kind := range m.kinds {
		list = append(list, how[kind])
	}
	return works("%s takes %s", m.title(), strings.Join(list, ", "))
}

// start is about how to start its ranks.
func (f *Findings) start(m installed) (line string, binds []string, c doctor.Check) {
	binds = []string{}
	for _, kind := range m.kinds {
		if !f.offers(kind) {
			continue
		}
		flags := ""
		if kind == "pmix" && f.SpoolDir != "" && !under(f.SpoolDir, "/tmp") {
			binds, flags = []string{f.SpoolDir}, "--bind "+wrapper.Quote(f.SpoolDir)+" "
		}
		line = fmt.Sprintf("srun --mpi=%s -n 4 sealift exec %s%s PROGRAM", kind, flags, wrapper.Quote(f.Image))
		return line, binds, works("%s and --mpi=%s of srun fit", m.title(), kind)
	}
	if l, ok := f.launcher(m.family); ok {
		line = fmt.Sprintf("%s -n 4 sealift exec %s PROGRAM", l, wrapper.Quote(f.Image))
		if len(f.Plugins) == 0 {
			return line, binds, works("%s and %s of this machine are of one family", m.title(), l)
		}
		return line, binds, doctor.Check{State: doctor.Warning, Found: fmt.Sprintf("srun offers none of %s; %s is of the family", strings.Join(m.kinds, ", "), l),
			Effect: "with srun each rank would be a program of its own, without an error", Fix: "start ranks by mpirun in an allocation (salloc, sbatch): " + line}
	}
	line = fmt.Sprintf("sealift exec %s mpirun -n 4 PROGRAM", wrapper.Quote(f.Image))
	return line, binds, doctor.Check{State: doctor.Warning, Found: fmt.Sprintf("neither srun here nor an mpirun fits %s, which takes %s", m.title(), strings.Join(m.kinds, ", ")),
		Effect: "ranks run on one node only, started by the image's own mpirun: " + line, Fix: f.remedy(m)}
}

// remedy says what would make them fit.
func (f *Findings) remedy(m installed) string {
	if f.Machine.Srun.Path == "" {
		return fmt.Sprintf("load an mpirun of %s, or call it where srun is", m.family)
	}
	return fmt.Sprintf("have Slurm built with %s, load an mpirun of %s, or use an image with the other family of MPI", m.kinds[0], m.family)
}

// launcher returns the host's mpirun of a family.
func (f *Findings) launcher(m family) (path string, ok bool) {
	for _, l := range f.Machine.Launchers {
		text := l.Output
		is := family("")
		switch {
		case strings.Contains(text, "Open MPI") || strings.Contains(text, "OpenRTE"):
			is = openMPI
		case strings.Contains(text, "HYDRA") || strings.Contains(text, "Intel(R) MPI"):
			is = mpich
		}
		if l.Err == "" && is == m {
			return l.Path, true
		}
	}
	return "", false
}

// under says whether a path is in a directory.
func under(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// network is about the fast network of this machine, and what the image has for it.
func (f *Findings) network() doctor.Check {
	has := func(name string) bool {
		return slices.ContainsFunc(f.Inside, func(l libraries.Library) bool { return strings.HasPrefix(l.SoName, name+".so") })
	}
	for _, n := range []struct{ nodes, title, needs, install string }{
		{"/dev/infiniband/", "InfiniBand or RoCE", "libibverbs", "rdma-core (Debian: libibverbs1 ibverbs-providers)"},
		{"/dev/cxi", "Slingshot", "libcxi", "libfabric with its provider cxi"},
		{"/dev/hfi1", "Omni-Path", "libpsm2", "libpsm2"},
	} {
		there := slices.ContainsFunc(f.Machine.Fabric.Nodes, func(d doctor.Node) bool { return strings.HasPrefix(d.Path, n.nodes) })
		switch {
		case there && !has(n.needs):
			return doctor.Check{State: doctor.Warning, Found: fmt.Sprintf("%s here, and no %s in the image", n.title, n.needs),
				Effect: "ranks on several nodes talk by TCP, at a fraction of the speed", Fix: "install " + n.install + " in the image"}
		case there:
			return works("%s here, and %s in the image", n.title, n.needs)
		}
	}
	return doctor.Check{State: doctor.Absent, Found: "no fast network on this machine", Effect: "ranks on several nodes talk by TCP", Fix: "call it on a node that has one"}
}
