package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/e2e/fixture/fickle"
)

// turncoat is a file that is one image or, in its file system, another. How often a page was
// read decides which.
type turncoat struct {
	mu             sync.Mutex
	good, evil     []byte // evil is the file system of the other image
	offset, size   int64  // of that of good
	reads          map[int64]int
	isEvil         func(reads int) bool
	delay          time.Duration
	began          chan struct{} // is closed at the first delay
	delayed, evils int
}

func (c *turncoat) read(b []byte, off int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.delay > 0 && off >= c.offset && off < c.offset+c.size {
		if c.delayed++; c.delayed == 1 {
			close(c.began)
		}
		time.Sleep(c.delay)
	}
	copy(b, c.good[off:])
	for page := off / 4096; page*4096 < off+int64(len(b)); page++ {
		n := c.reads[page]
		c.reads[page]++
		if !c.isEvil(n) {
			continue
		}
		for i := max(off, page*4096, c.offset); i < min(off+int64(len(b)), page*4096+4096, c.offset+c.size); i++ {
			c.evils++
			b[i-off] = 0
			if at := i - c.offset; at < int64(len(c.evil)) {
				b[i-off] = c.evil[at]
			}
		}
	}
}

// TestTurncoat runs images of a file system that returns other bytes at some reads than at
// others, as a hostile server could: what was verified runs, or nothing.
func TestTurncoat(t *testing.T) {
	asUser(t, "^TestTurncoat$")
	inStage(t)
	apart.InNamespace(t, func(t *testing.T) {
		x := newTrusting(t, 0)
		good, evil := x.image("good.sif", "good"), x.image("evil.sif", "evil")
		c := &turncoat{reads: map[int64]int{}, isEvil: func(int) bool { return false }, began: make(chan struct{})}
		c.offset, c.size = x.partition(good)
		offset, size := x.partition(evil)
		var err error
		c.good, err = os.ReadFile(good)
		x.must(err)
		all, err := os.ReadFile(evil)
		x.must(err)
		c.evil = all[offset : offset+size]
		stop, err := fickle.Mount(x.path("images"), int64(len(c.good)), c.read)
		x.must(err)
		defer func() { x.must(stop()) }()

		x.honest(c, false)
		for _, tree := range []bool{false, true} {
			x.rule(tree)
			for _, remembered := range []bool{false, true} {
				for name, isEvil := range map[string]func(int) bool{
					"at first": func(n int) bool { return n == 0 }, "from the second read on": func(n int) bool { return n > 0 },
					"from the third read on": func(n int) bool { return n > 1 }, "always": func(int) bool { return true },
					"every other time": func(n int) bool { return n%2 == 1 },
				} {
					t.Run(fmt.Sprintf("tree %t, remembered %t, %s", tree, remembered, name), func(t *testing.T) {
						x := &trusting{t, x.dir, x.sealift, 0}
						x.must(os.RemoveAll(x.path("cache/tree")))
						if remembered {
							x.honest(c, true)
						}
						x.treacherous(c, isEvil)
					})
				}
			}
		}
		x.rule(false)
		x.interrupted(c)
	})
}

// inStage has the process in the namespace use the programs of this one.
func inStage(t *testing.T) {
	t.Helper()
	images(t)
	dir, err := stage()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(stageEnv, dir)
}

// word runs the image.
func (x *trusting) word() (out, msg string, status int) {
	x.Helper()
	var stdout, stderr bytes.Buffer
	cmd := x.command(x.uid, "exec", x.path("images/"+fickle.Name), "cat", "/word")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exited *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exited) {
		x.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// honest runs the image while it is what was signed.
func (x *trusting) honest(c *turncoat, quiet bool) {
	x.Helper()
	c.reset(func(int) bool { return false })
	if out, msg, status := x.word(); out != "good\n" || status != 0 || quiet && msg != "" {
		x.Fatalf("%q, %q, status %d", out, msg, status)
	}
}

// treacherous runs it while it is not always.
func (x *trusting) treacherous(c *turncoat, isEvil func(int) bool) {
	x.Helper()
	c.reset(isEvil)
	out, msg, status := x.word()
	switch {
	case strings.Contains(out, "evil"), status == 0 && out != "good\n":
		x.Errorf("it ran: %q, %q, status %d", out, msg, status)
	case status == 0 && c.evils == 0: // no page was read so often
	case status == 0:
		x.Logf("what was verified ran, though others were read")
	case status != 125 || c.evils == 0 || strings.Count(msg, "sealift: error: ") != 1 ||
		!strings.Contains(msg, "hash tree") && !strings.Contains(msg, "is not what was signed"):
		x.Errorf("%q, %q, status %d", out, msg, status)
	}
}

func (c *turncoat) reset(isEvil func(int) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads, c.isEvil, c.evils = map[int64]int{}, isEvil, 0
}

// interrupted wants that an interrupt ends what reads the image whole, which takes its time.
func (x *trusting) interrupted(c *turncoat) {
	x.Helper()
	c.reset(func(int) bool { return false })
	x.must(os.RemoveAll(x.path("cache/tree")))
	c.delay = 100 * time.Millisecond // for each of some 160 reads
	defer func() { c.delay = 0 }()
	cmd := x.command(x.uid, "exec", x.path("images/"+fickle.Name), "cat", "/word")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	x.must(cmd.Start())
	<-c.began
	x.must(cmd.Process.Signal(syscall.SIGINT))
	sent := time.Now()
	_ = cmd.Wait() // its status says it
	if took := time.Since(sent); cmd.ProcessState.ExitCode() != 130 || took > 8*time.Second || strings.Contains(out.String(), "good") {
		x.Errorf("status %d after %v: %s", cmd.ProcessState.ExitCode(), took, out.String())
	}
	if list, err := os.ReadDir(x.path("cache/tree")); err != nil || len(list) > 0 {
		x.Errorf("what was read in part is kept: %v, %v", list, err)
	}
}
