package remember

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/trust/merkle"
)

// Of many processes at a time one reads the data.
func TestProcesses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	wait, begin, err := os.Pipe()
	must(t, err)
	cmds, outs := make([]*exec.Cmd, 8), make([]bytes.Buffer, 8)
	for i := range cmds {
		cmds[i] = exec.Command("/proc/self/exe")
		cmds[i].Env = append(os.Environ(), childVar+"="+dir)
		cmds[i].Stdin, cmds[i].Stdout, cmds[i].Stderr = wait, &outs[i], &outs[i]
		must(t, cmds[i].Start())
	}
	must(t, begin.Close())
	counts := map[string]int{}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("a process fails: %v", err)
		}
		counts[outs[i].String()]++
	}
	if counts["read true, matches true\n"] != 1 || counts["read false, matches true\n"] != 7 {
		t.Errorf("%v", counts)
	}
}

// A wait for another process ends with the context.
func TestInterrupted(t *testing.T) {
	u := newUser(t)
	reading, release := make(chan struct{}), make(chan struct{})
	tr := &Trees{
		Open: func() (*cache.Cache, error) { return cache.Open(u.dir, u.opts) },
		Warn: func(err error) { t.Error(err) },
	}
	done := make(chan error)
	go func() {
		_, err := tr.Summary(context.Background(), wanted(data), func() (merkle.Summary, error) {
			close(reading)
			<-release
			return summarize(data)
		})
		done <- err
	}()
	<-reading
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	_, err := tr.Summary(ctx, wanted(data), func() (merkle.Summary, error) {
		return merkle.Summarize(ctx, bytes.NewReader(data), int64(len(data)), func(int64) {})
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	close(release)
	must(t, <-done)
	u.knows(false)
}
