package fromhost

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/gpu/ldcache"
	"github.com/sealift/sealift/runtime/doctor/mpi/libraries"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/hostmpi"
	"github.com/sealift/sealift/runtime/spec"
)

// MPI is the flag --mpi.
type MPI struct{ from string }

// Add adds it.
func (f *MPI) Add(flags *pflag.FlagSet) {
	flags.StringVar(&f.from, "mpi", "", "which MPI programs inside take, as a `word`: image, or host for the host's, which stands in where the ABI and glibc fit")
	ui.Bind(flags, "mpi", "MPI")
}

// Inject has r show the host's MPI, if that is asked for.
func (f *MPI) Inject(p *ui.Process, r *spec.Request, facts *host.Facts, image fs.FS) error {
	switch f.from {
	case "", "image":
		return nil
	case "host":
	default:
		return hint.New(fmt.Sprintf("--mpi %s: there is no such MPI", f.from), "say host or image")
	}
	h := hostmpi.Host{FS: os.DirFS("/"), Dirs: filepath.SplitList(p.Variable("LD_LIBRARY_PATH")), Arch: facts.Arch}
	if text, err := os.ReadFile("/etc/ld.so.cache"); err == nil {
		if h.Cache, err = ldcache.Parse(text); err != nil {
			return fmt.Errorf("/etc/ld.so.cache: %w", err)
		}
	}
	in, err := hostmpi.Plan(h, hostmpi.Image{Libraries: libraries.Find(image), Glibc: hostmpi.Glibc(image)})
	if err != nil {
		return err
	}
	p.Detail("--mpi host: %s", in.About)
	r.Libraries = append(r.Libraries[:len(r.Libraries):len(r.Libraries)], in.Files...)
	for _, dir := range in.Dirs {
		r.Mounts = append(r.Mounts, fmt.Sprintf("type=bind,\"source=%s\",\"destination=%s\",ro,nonested", csv(dir), csv(dir)))
	}
	// Before the directories of the image, so that its MPI is not found.
	r.Env = append([]string{"PREPEND_LD_LIBRARY_PATH=/.singularity.d/libs"}, append(in.Env, r.Env...)...)
	return nil
}

// csv quotes a value of a record of --mount.
func csv(value string) string { return strings.ReplaceAll(value, `"`, `""`) }
