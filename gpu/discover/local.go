package discover

import (
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/gpu/files"
)

// patience is how long a driver may take to answer: where no program keeps it awake,
// it first starts every GPU.
const patience = 30 * time.Second

// Local returns this machine, whose file tree is root, for a caller with an
// environment. The helper is looked for from the running program executable.
func Local(root fs.FS, environ []string, arch, executable string) *Host {
	var helpers []string
	for _, dir := range buildcfg.Dirs(executable) {
		helpers = append(helpers, filepath.Join(dir, buildcfg.GPUHelperName))
	}
	var locked unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &locked); err != nil {
		locked.Cur = unix.RLIM_INFINITY // who knows
	}
	return &Host{
		Locked: locked.Cur,
		Host:   files.Host{Root: root, Environ: environ, Arch: arch}, Access: access,
		Helper: first(helpers...), Modprobe: first("/usr/bin/nvidia-modprobe"), Patience: patience,
	}
}

// access says why a node may not be used. The kernel asks the control group of devices
// here as well, and no driver: to open the node of a GPU may start it. It is access(2) of
// the real ids, as unix.Faccessat takes the control group's refusal for that of a
// seccomp filter, and then looks at permissions alone.
func access(node string) error { return unix.Access(node, unix.R_OK|unix.W_OK) }

// first returns the first of names that is a program, empty for none.
func first(names ...string) string {
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return name
		}
	}
	return ""
}
