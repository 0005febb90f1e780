// Package mpi says whether the MPI of an image and this machine fit, and how its ranks are
// to be started.
//
// Input: Findings, gathered by package probe. Output: a Report: checks as package doctor's,
// and the command line. It is pure: the same findings always give the same report.
package mpi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift/runtime/doctor"
	"github.com/sealift/sealift/runtime/doctor/mpi/libraries"
)

// Findings is what was found.
type Findings struct {
	// Machine has what doctor's checks slurm, pmi, mpi and fabric are about.
	Machine doctor.Findings
	// PluginDir is where Slurm's plugins are, and Plugins are those for MPI, such as
	// pmix_v4; both are empty without Slurm.
	PluginDir string
	Plugins   []string
	// SpoolDir is slurmd's directory, empty where it is not known.
	SpoolDir string
	// Host are the libraries of this machine.
	Host []libraries.Library
	// Image is the name of the image, empty for none, and Inside are its libraries.
	Image  string
	Inside []libraries.Library
}

// Report is what came of it.
type Report struct {
	Checks []doctor.Check `json:"checks"`
	// Libraries are those of the image.
	Libraries []libraries.Library `json:"libraries"`
	// Start is the command line that starts ranks, empty where there is none, and Binds
	// are directories that it shows to them.
	Start string   `json:"start"`
	Binds []string `json:"binds"`
}

// Names returns the names of the checks about an image, in order; those about the machine
// are doctor's.
func Names() []string { return []string{"plugins", "image-mpi", "image-pmi", "start", "image-network"} }

// Examine makes the report.
func Examine(f Findings) Report {
	r := Report{Libraries: append([]libraries.Library{}, f.Inside...), Binds: []string{}}
	for _, c := range doctor.Examine(f.Machine) {
		if slices.Contains([]string{"slurm", "pmi", "mpi", "fabric"}, c.Name) {
			r.Checks = append(r.Checks, c)
		}
	}
	add := func(name string, c doctor.Check) {
		c.Name = name
		r.Checks = append(r.Checks, c)
	}
	add("plugins", f.plugins())
	if f.Image == "" {
		return r
	}
	all := f.installed()
	add("image-mpi", f.imageMPI(all))
	if len(all) == 0 {
		return r
	}
	m := all[0]
	add("image-pmi", imagePMI(m))
	var c doctor.Check
	r.Start, r.Binds, c = f.start(m)
	add("start", c)
	add("image-network", f.network())
	return r
}

// family is a kind of MPI.
type family string

// The families.
const (
	openMPI family = "Open MPI"
	mpich   family = "MPICH" // and its descendants, which have its ABI
)

// installed is an MPI of an image.
type installed struct {
	family family
	abi    string // what programs are linked to
	lib    libraries.Library
	kinds  []string // how its ranks may be started by srun, the best first
}

// installed returns the MPIs of the image. The one in the directories that programs look
// into by themselves is the first.
func (f *Findings) installed() []installed {
	var all []installed
	for _, lib := range f.Inside {
		m := installed{lib: lib, abi: lib.SoName}
		name, rest, _ := strings.Cut(lib.SoName, ".so")
		number := strings.TrimPrefix(rest, ".")
		switch {
		case name == "libmpi" && number >= "20" && number <= "80":
			m.family, m.kinds = openMPI, []string{"pmix"}
		case name == "libmpi" && number == "12", name == "libmpich", name == "libmpi_cray", name == "libmpi_abi", strings.HasPrefix(name, "libmpi_gnu"):
			m.family, m.kinds = mpich, []string{"pmi2"}
			if slices.ContainsFunc(lib.Needs, func(n string) bool { return strings.HasPrefix(n, "libpmix.") }) {
				m.kinds = []string{"pmix", "pmi2"}
			}
			if name == "libmpi_cray" || strings.HasPrefix(name, "libmpi_gnu") {
				m.kinds = append([]string{"cray_shasta"}, m.kinds...)
			}
		default:
			continue
		}
		if !slices.ContainsFunc(all, func(o installed) bool { return o.family == m.family && o.lib.Version == m.lib.Version }) {
			all = append(all, m)
		}
	}
	slices.SortStableFunc(all, func(a, b installed) int { return rank(a.lib.Path) - rank(b.lib.Path) })
	return all
}

// rank orders directories by whether the loader looks into them by itself.
func rank(path string) int {
	for i, dir := range []string{"/usr/local/lib", "/usr/lib", "/lib"} {
		if strings.HasPrefix(path, dir) {
			return i
		}
	}
	return 9
}

// title names an MPI.
func (m *installed) title() string {
	text := string(m.family)
	if m.lib.Version != "" {
		text += " " + m.lib.Version
	}
	return text
}

// works is a check that found nothing wrong.
func works(format string, args ...any) doctor.Check {
	return doctor.Check{State: doctor.OK, Found: fmt.Sprintf(format, args...)}
}
