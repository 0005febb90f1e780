package layout

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/bind"
	"github.com/sealift/sealift/runtime/view"
	"github.com/sealift/sealift/starter/plan"
)

// programDirs are where programs of the host are looked for, as the peers do.
var programDirs = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// hostProgram returns the path of a program of the host, or nothing.
func (l *Layout) hostProgram(name string) string {
	if strings.Contains(name, "/") {
		name = l.Absolute(name)
		if mode, err := l.HostStat(name); err != nil || !mode.IsRegular() || mode&0o111 == 0 {
			return ""
		}
		return name
	}
	for _, dir := range programDirs {
		if found := l.hostProgram(path.Join(dir, name)); found != "" {
			return found
		}
	}
	return ""
}

// FuseMount plans a mount of a FUSE file system that a program serves, and makes the
// mount point.
func (l *Layout) FuseMount(f bind.Fuse) error {
	if l.Facts.NoFuse != nil {
		return hint.Wrap(fmt.Errorf("--fusemount: /dev/fuse cannot be used: %w", l.Facts.NoFuse), "have the fuse module loaded, and /dev/fuse given mode 0666")
	}
	args := append(slices.Clone(f.Program), plan.MounterFUSE)
	if !f.Daemon {
		args = append(args, "-f") // in the foreground
	}
	if !f.Container {
		if args[0] = l.hostProgram(f.Program[0]); args[0] == "" {
			return hint.New(fmt.Sprintf("--fusemount: the machine has no program %s", f.Program[0]),
				"give its full path; one that the image has is of the type container")
		}
	}
	target, err := l.Place(f.Target, true)
	if err != nil {
		return fmt.Errorf("--fusemount: %w", err)
	}
	if f.Container {
		l.Do(plan.Fuse, target, l.fuseFlags("rw", "keep"))
		l.Mounters = append(l.Mounters, plan.Mounter{Target: target, Args: args})
	} else {
		l.Do(plan.Fuse, target, l.fuseFlags("rw", "wait"))
		l.served = append(l.served, Served{Target: target, Volume: -1, Program: args})
	}
	l.Tree.Add(view.Mount{Target: target, From: view.Kernel, Dir: true})
	return nil
}

// mountExt has fuse2fs serve the volume with a number, an ext3 file system, read-only.
// It is not looked into here: what is in it shows when it is mounted.
func (l *Layout) mountExt(n int) error {
	v := &l.Volumes[n]
	program := l.hostProgram("fuse2fs")
	const instead = "or copy what is in it to a directory where it can be mounted, and use that"
	switch {
	case program == "":
		return hint.New(fmt.Sprintf("%s has an ext3 file system, and fuse2fs is not installed to mount it", v.Path),
			"install fuse2fs (Debian, Ubuntu, Fedora), one that uses libfuse 3; "+instead)
	case l.imports(program, "libfuse.so.2"):
		return hint.New(fmt.Sprintf("%s has an ext3 file system, and %s uses libfuse 2, which cannot be given a mount", v.Path, program),
			"install a fuse2fs that uses libfuse 3, as from e2fsprogs 1.47.1 on; "+instead)
	}
	options := fmt.Sprintf("ro,norecovery,offset=%d", v.Offset)
	v.program = []string{program, "-f", "-o", options, plan.MounterFile, plan.MounterFUSE}
	return nil
}

// maxProgram bounds what is looked at of a program, in bytes.
const maxProgram = 16 << 20

// imports says whether a program of the host needs a shared library: it has the name
// as a string then. All of debug/elf would be linked for this question.
func (l *Layout) imports(program, library string) bool {
	f, err := l.Facts.Root.Open(view.Relative(program))
	if err != nil {
		return false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxProgram))
	return err == nil && bytes.Contains(data, []byte("\x00"+library+"\x00"))
}

// bindExt is BindPart of an ext3 file system: a directory, unless the container has a
// file in that place.
func (l *Layout) bindExt(n int, part, target, flags string) error {
	if err := l.mountExt(n); err != nil {
		return err
	}
	part = path.Clean("/" + part)
	at, err := l.Tree.Resolve(target)
	dir := part == "/" || err != nil || !at.Found || at.Mode.IsDir()
	if target, err = l.Place(target, dir); err != nil {
		return err
	}
	l.serveOnce(n)
	l.Do(plan.Bind, path.Join(volumeDir(n), part), target, flags+",session")
	l.Tree.Add(view.Mount{Target: target, From: view.Volume, Source: part, Dir: dir})
	return nil
}

// layExt has an ext3 file system laid over the image, if the volume with a number is
// one. Overlayfs writes to no FUSE file system.
func (l *Layout) layExt(n int) error {
	v := &l.Volumes[n]
	if v.Info.Kind != image.Ext3 {
		return nil
	}
	if v.Write && !v.Own {
		l.Note("overlay %s is an ext3 image, and is not written to; --overlay DIRECTORY keeps changes", v.Path)
	}
	return l.mountExt(n)
}
