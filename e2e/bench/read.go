package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/sealift/sealift/e2e/bench/proc"
	"github.com/sealift/sealift/e2e/bench/report"
	"github.com/sealift/sealift/e2e/fixture"
)

// warmRuns is how often a workload is repeated on what its first run has read.
const warmRuns = 3

// image is one that all contenders serve.
type image struct {
	name, compressor, level, block string
	workloads                      []string
}

// images are those of the read suite. All are mksquashfs's.
func images() []image {
	all := []string{"find", "import", "read-1", "read-4", "large"}
	return []image{
		{"zstd", "zstd", "3", "128K", all},
		{"gzip", "gzip", "6", "128K", all},
		{"zstd-1M", "zstd", "3", "1M", []string{"large"}},
	}
}

// workloads returns the commands by name; tree is the image unpacked.
func workloads(tree string) (map[string]string, error) {
	large, err := largest(tree, 3)
	return map[string]string{
		"find":   "find / -xdev -ls",
		"import": "python3 -c 'import numpy, scipy.linalg, scipy.stats'",
		"read-1": readAll(1),
		"read-4": readAll(4),
		"large":  "cat " + strings.Join(large, " "),
	}, err
}

// reader reads every n-th regular file below /, from the k-th on, into one
// buffer: cat would map and unmap one for each file, which on some machines
// costs more than reading a small file does.
const reader = `import os, sys
k, n = int(sys.argv[1]), int(sys.argv[2])
room = bytearray(128 << 10)
dev = os.lstat("/").st_dev
i = 0
for top, dirs, files in os.walk("/"):
    dirs[:] = sorted(d for d in dirs if os.lstat(os.path.join(top, d)).st_dev == dev)
    for path in (os.path.join(top, f) for f in sorted(files)):
        i += 1
        if i % n != k or not os.path.isfile(path) or os.path.islink(path):
            continue
        fd = os.open(path, os.O_RDONLY)
        while os.readv(fd, [room]):
            pass
        os.close(fd)
`

// readAll is the command that reads all files with n readers at a time.
func readAll(n int) string {
	commands := "failed=0;"
	for k := range n {
		commands += fmt.Sprintf(" python3 -c '%s' %d %d & p%d=$!;", reader, k, n, k)
	}
	for k := range n {
		commands += fmt.Sprintf(" wait $p%d || failed=1;", k)
	}
	return commands + " [ $failed = 0 ]"
}

// largest returns the paths of the n largest files under dir.
func largest(dir string, n int) ([]string, error) {
	type file struct {
		path string
		size int64
	}
	var files []file
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			files = append(files, file{"/" + path, info.Size()})
		}
		return err
	})
	if err == nil && len(files) < n {
		err = fmt.Errorf("only %d files in %s", len(files), dir)
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(files, func(a, b file) int { return int(b.size - a.size) })
	var paths []string
	for _, f := range files[:n] {
		paths = append(paths, f.path)
	}
	return paths, nil
}

// apart runs the read suite in a mount namespace, with which its mounts go,
// and for an ordinary user in a user namespace, which lets him mount.
func apart(ctx context.Context, o options) error {
	who, attr := "root", &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		who, attr.Cloneflags = "user", syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	args := []string{"-inside", who, "-only", o.only.String(), "-squashfuse", o.squashfuse, "-rounds", fmt.Sprint(o.rounds), "-out", o.book.Dir, "read"}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = os.Stdout, os.Stderr, attr
	return cmd.Run()
}

// read measures every workload on every image.
func read(ctx context.Context, o options) error {
	work, err := workDir(cache)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	list, err := contenders(work, o)
	if err != nil {
		return err
	}
	tree, err := fixture.LargeTree(ctx, cache)
	if err != nil {
		return err
	}
	commands, err := workloads(tree)
	if err != nil {
		return err
	}
	for _, img := range images() {
		for _, name := range img.workloads {
			title := img.name + " " + name
			if !o.only.MatchString(title) {
				continue
			}
			path, err := fixture.LargeImage(ctx, cache, img.compressor, img.level, img.block)
			if err != nil {
				return err
			}
			if err := measure(title, commands[name], path, list, o); err != nil {
				return fmt.Errorf("%s: %w", title, err)
			}
		}
	}
	return nil
}

// contenders returns who can mount, and says who cannot.
func contenders(work string, o options) ([]contender, error) {
	programs, err := builds(work)
	if err != nil {
		return nil, err
	}
	var list []contender
	for _, p := range programs {
		list = append(list, sealift(p))
	}
	for _, name := range []string{"squashfuse_ll", o.squashfuse} {
		if found(name, name) {
			list = append(list, squashfuse(name))
		}
	}
	if o.cold {
		return append(list, kernel), nil
	}
	fmt.Println("kernel is left out: only root can mount a loop device")
	fmt.Println("cold tables are of fresh mounts only: only root can drop the page cache, which holds the images")
	return list, nil
}

// measure makes the tables of one workload: on a fresh mount with cold caches,
// and again on what is cached then.
func measure(title, command, image string, list []contender, o options) error {
	rounds := o.rounds
	if rounds == 0 {
		rounds = 3
	}
	var peers []string
	for _, c := range list {
		if !strings.HasPrefix(c.name, "sealift") {
			peers = append(peers, c.name)
		}
	}
	cold := &report.Table{Title: title + ", cold", Unit: "seconds", Peers: peers, Notes: []string{"PSS MB", "peak MB"}}
	warm := &report.Table{Title: title + ", warm", Unit: "seconds", Peers: peers}
	err := report.TakeTurns(rounds, list, func(c contender) error {
		first, again, notes, err := visit(c, command, image, o.cold)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		cold.Row(c.name).Add(first.Seconds())
		cold.Row(c.name).Notes = notes
		for _, s := range again {
			warm.Row(c.name).Add(s.Seconds())
		}
		return nil
	})
	if err == nil {
		err = o.book.Show(cold, warm)
	}
	return err
}

// visit runs a workload in one session, several times. The memory is the
// server's after the first.
func visit(c contender, command, image string, drop bool) (first report.Time, again []report.Time, memory []string, err error) {
	if drop {
		syscall.Sync()
		if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
			return first, nil, nil, err
		}
	}
	s, err := c.open(image)
	if err != nil {
		return first, nil, nil, err
	}
	defer func() {
		if e := s.close(); err == nil {
			err = e
		}
	}()
	if first, err = s.run(command); err != nil {
		return first, nil, nil, err
	}
	if memory, err = s.memory(); err != nil {
		return first, nil, nil, err
	}
	for range warmRuns {
		next, err := s.run(command)
		if err != nil {
			return first, nil, nil, err
		}
		again = append(again, next)
	}
	return first, again, memory, nil
}

// memory returns what the server holds now, and the most that it held.
func (s *session) memory() ([]string, error) {
	if s.server == 0 {
		return nil, nil
	}
	pss, peak, err := proc.Memory(s.server)
	return []string{report.Megabytes(pss), report.Megabytes(peak)}, err
}
