// Command bench times the start-up of Sealift beside its peers: `/bin/true`
// in a busybox root, as a directory and as an image, every contender once per
// round in turn, so that a machine whose speed drifts drifts for all.
//
// Input: bin/sealift as built, bwrap, ch-run and apptainer where they are in
// PATH. Output: a table of medians and of ratios to bwrap. It asserts nothing.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/sealift/sealift/e2e/fixture"
)

// contender is one way to run /bin/true in the image.
type contender struct {
	name  string
	args  []string
	times []time.Duration
}

func main() {
	rounds := flag.Int("n", 51, "rounds")
	uid := flag.Int("uid", 1501, "the user to run as when started by root")
	flag.Parse()
	if err := run(*rounds, uint32(*uid)); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(rounds int, uid uint32) error {
	work, err := os.MkdirTemp("", "sealift-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	as := syscall.SysProcAttr{}
	if os.Geteuid() == 0 {
		as.Credential = &syscall.Credential{Uid: uid, Gid: uid}
		if err := os.Chown(work, int(uid), int(uid)); err != nil {
			return err
		}
	}
	list, err := prepare(work, &as)
	if err != nil {
		return err
	}
	for round := range rounds + 3 {
		for _, c := range list {
			took, err := timed(c.args, work, &as)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if round >= 3 { // the first rounds warm the caches
				c.times = append(c.times, took)
			}
		}
	}
	report(list, rounds)
	return nil
}

// prepare makes the images and returns who takes part.
func prepare(work string, as *syscall.SysProcAttr) ([]*contender, error) {
	layout, err := fixture.Busybox("e2e/.fixtures")
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(filepath.Join(work, "layout"), os.DirFS(layout)); err != nil {
		return nil, err
	}
	for _, name := range []string{"sealift", "sealift-starter"} {
		data, err := os.ReadFile(filepath.Join("bin", name))
		if err != nil {
			return nil, fmt.Errorf("%w (run make first)", err)
		}
		if err := os.WriteFile(filepath.Join(work, name), data, 0o755); err != nil {
			return nil, err
		}
	}
	sealift, dir, sif := filepath.Join(work, "sealift"), filepath.Join(work, "root"), filepath.Join(work, "image.sif")
	for _, args := range [][]string{
		{sealift, "build", "--sandbox", dir, "oci:layout"}, {sealift, "build", sif, "oci:layout"},
	} {
		if _, err := timed(args, work, as); err != nil {
			return nil, fmt.Errorf("%v: %w", args, err)
		}
	}
	list := []*contender{
		{name: "bwrap, directory", args: []string{
			"bwrap", "--unshare-user", "--unshare-pid", "--ro-bind", dir, "/", "--dev-bind", "/dev", "/dev",
			"--proc", "/proc", "--bind", "/tmp", "/tmp", "/bin/true",
		}},
		{name: "ch-run, directory", args: []string{"ch-run", dir, "--", "/bin/true"}},
		{name: "apptainer, directory", args: []string{"apptainer", "exec", dir, "/bin/true"}},
		{name: "apptainer, SIF", args: []string{"apptainer", "exec", sif, "/bin/true"}},
		{name: "sealift, directory", args: []string{sealift, "exec", dir, "/bin/true"}},
		{name: "sealift, SIF", args: []string{sealift, "exec", sif, "/bin/true"}},
	}
	return slices.DeleteFunc(list, func(c *contender) bool {
		if _, err := exec.LookPath(c.args[0]); err != nil {
			fmt.Printf("%-22s not in PATH, left out\n", c.name)
			return true
		}
		return false
	}), nil
}

// timed runs a command as the bench's user and returns how long it took.
func timed(args []string, work string, as *syscall.SysProcAttr) (time.Duration, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.SysProcAttr = work, as
	cmd.Env = append(os.Environ(), "HOME="+work, "USER=bench")
	var out bytes.Buffer
	cmd.Stderr = &out
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, out.String())
	}
	return took, nil
}

func report(list []*contender, rounds int) {
	fmt.Printf("\nstart-up of /bin/true, %d rounds, milliseconds\n%-22s %8s %8s %8s  %s\n", rounds, "", "min", "median", "max", "median / bwrap's")
	var base float64
	for _, c := range list {
		slices.Sort(c.times)
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		median := ms(c.times[len(c.times)/2])
		if base == 0 {
			base = median
		}
		fmt.Printf("%-22s %8.2f %8.2f %8.2f  %.2f\n", c.name, ms(c.times[0]), median, ms(c.times[len(c.times)-1]), median/base)
	}
}
