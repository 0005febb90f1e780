package builds

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/build"
)

// progress tells of the steps of a build: one line for each. On a terminal, the
// step that is being taken is the last line, with the time that it takes and
// what it has written; its own line is printed before the first output that it
// makes, or else in the end.
type progress struct {
	p    *ui.Process
	now  func() time.Time
	live *ui.Live  // nil without a terminal
	err  io.Writer // what p.Err was

	mu sync.Mutex
	// rows are the steps so far; the last one is told of when told is set.
	rows []row
	told bool
}

// row is a step.
type row struct {
	build.Event
	begun  time.Time
	took   time.Duration
	cached bool
}

// newProgress starts to tell; messages of p are printed above the live line
// until close.
func newProgress(p *ui.Process, now func() time.Time) *progress {
	t := &progress{p: p, now: now, live: p.StartLive(), err: p.Err, told: true}
	if t.live != nil {
		p.Err = t
	}
	return t
}

// close ends the live line, and tells of a step that failed without a word.
func (t *progress) close() {
	if t.live == nil {
		return
	}
	t.mu.Lock()
	t.tell()
	t.mu.Unlock()
	t.live.Stop()
	t.p.Err = t.err
}

// scripts returns what scripts print to: standard error itself where nothing
// else has to be kept below it.
func (t *progress) scripts() io.Writer {
	if t.live == nil {
		return t.p.Stderr
	}
	return t
}

// Write prints output that comes from the step.
func (t *progress) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tell()
	return t.live.Write(b)
}

// event is told of steps.
func (t *progress) event(e build.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e.State {
	case build.Begun:
		t.rows, t.told = append(t.rows, row{Event: e, begun: t.now()}), false
		if t.live == nil {
			t.tell()
			return
		}
		r := t.rows[len(t.rows)-1]
		t.live.Set(func() (string, string) { return r.title(), r.state(t.now()) })
	case build.Cached:
		t.rows[len(t.rows)-1].cached = true
		if t.live == nil {
			t.info("[%d/%d] cached", e.Number, e.Of)
		}
	case build.Done:
		r := &t.rows[len(t.rows)-1]
		r.Bytes, r.took = e.Bytes, t.now().Sub(r.begun)
		t.tell()
		if t.live != nil {
			t.live.Set(nil)
		}
	}
}

// tell prints the line of the last step, unless it was.
func (t *progress) tell() {
	if t.told {
		return
	}
	t.told = true
	r := t.rows[len(t.rows)-1]
	if r.cached {
		t.info("%s (cached)", r.title())
		return
	}
	t.info("%s", r.title())
}

// info prints a message past Write.
func (t *progress) info(format string, args ...any) {
	to := t.p.Terminal
	if t.live != nil {
		to.Err = t.live
	}
	to.Info(format, args...)
}

// title names the step.
func (r row) title() string { return fmt.Sprintf("[%d/%d] %v", r.Number, r.Of, r.Step) }

// state says how long a step takes, and what it has written.
func (r row) state(now time.Time) string {
	text := "  " + ui.Duration(now.Sub(r.begun))
	if n := r.Written(); n > 0 {
		text += ", " + ui.Bytes(n) + " written"
	}
	return text
}

// summary prints a table of the steps, and what the build of the output took.
func (t *progress) summary(path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var total time.Duration
	t.info("%8s %8s %11s  %s", "step", "time", "size", "what")
	for _, r := range t.rows {
		took, size := ui.Duration(r.took), ""
		if r.cached {
			took = "cached"
		}
		if r.Bytes > 0 {
			size = ui.Bytes(r.Bytes)
		}
		t.info("%8s %8s %11s  %v", fmt.Sprintf("%d/%d", r.Number, r.Of), took, size, r.Step)
		total += r.took
	}
	size := ""
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		size = ui.Bytes(info.Size())
	}
	t.info("%8s %8s %11s  %s", "total", ui.Duration(total), size, path)
}
