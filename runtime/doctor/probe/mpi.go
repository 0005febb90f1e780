package probe

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sealift/sealift/runtime/doctor/mpi"
	"github.com/sealift/sealift/runtime/doctor/mpi/libraries"
	"github.com/sealift/sealift/runtime/host"
)

// pluginDirs are where Slurm's plugins are, where it does not say.
var pluginDirs = []string{"/usr/lib/*/slurm-wlm", "/usr/lib64/slurm", "/usr/lib/slurm", "/usr/lib/*/slurm", "/opt/slurm/lib*/slurm", "/usr/local/lib/slurm"}

// GatherMPI looks at the machine, and at an image of a name unless that is empty, for
// package mpi.
func GatherMPI(ctx context.Context, in Inputs, name string, image fs.FS) (mpi.Findings, error) {
	h, err := host.Probe(host.Inputs{Environ: in.Environ, Cwd: in.Cwd})
	if err != nil {
		return mpi.Findings{}, err
	}
	m := &machine{in, h}
	f := mpi.Findings{Image: name}
	f.Machine.Host, f.Machine.Program, f.Machine.Patience, f.Machine.OpenFDs = h, in.Program, int(in.Patience.Seconds()), openFDs()
	wanted := slices.DeleteFunc(parts(), func(p part) bool {
		return !slices.ContainsFunc(p.checks, func(c string) bool { return c == "slurm" || c == "mpi" || c == "fabric" })
	})
	gather(ctx, m, wanted, &f.Machine)
	if err := context.Cause(ctx); err != nil {
		return f, err
	}
	if f.Machine.Srun.Path != "" {
		m.configured(ctx, &f)
	}
	plugins(&f)
	f.Host = libraries.Find(os.DirFS("/"))
	if name != "" {
		f.Inside = libraries.Find(image)
	}
	return f, context.Cause(ctx)
}

// configured asks Slurm where its files are. A controller that is away leaves it open.
func (m *machine) configured(ctx context.Context, f *mpi.Findings) {
	path := m.find("scontrol")
	if path == "" {
		return
	}
	text, err := m.output(ctx, path, "show", "config")
	if err != nil {
		return
	}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, "=")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "PluginDir":
			f.PluginDir = value
		case "SlurmdSpoolDir":
			if info, err := os.Stat(value); err == nil && info.IsDir() { // or it has %n in it
				f.SpoolDir = value
			}
		}
	}
}

// plugins lists Slurm's plugins for MPI, by their files.
func plugins(f *mpi.Findings) {
	dirs := pluginDirs
	if f.PluginDir != "" {
		dirs = strings.Split(f.PluginDir, ":")
	}
	for _, dir := range dirs {
		files, _ := filepath.Glob(filepath.Join(dir, "mpi_*.so")) // well-formed
		for _, file := range files {
			kind := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "mpi_"), ".so")
			if kind != "none" && !slices.Contains(f.Plugins, kind) {
				f.Plugins = append(f.Plugins, kind)
				f.PluginDir = filepath.Dir(file)
			}
		}
	}
	slices.Sort(f.Plugins)
}
