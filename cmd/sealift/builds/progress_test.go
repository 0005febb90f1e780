package builds

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/build"
)

// named is a step that is only named.
type named struct {
	build.Step
	name string
}

func (n named) String() string { return n.name }

// clock goes on by a second with every look.
func clock() func() time.Time {
	var now time.Time
	return func() time.Time { now = now.Add(time.Second); return now }
}

// steps tells of three steps, of which the second is cached and the third
// prints something.
func steps(t *testing.T, shown *progress) {
	t.Helper()
	e := build.Event{Of: 3, Written: func() int64 { return 2048 }}
	for i, name := range []string{"one", "two", "three"} {
		e.Number, e.Step, e.State, e.Bytes = i+1, named{name: name}, build.Begun, 0
		shown.event(e)
		if i == 1 {
			e.State = build.Cached
			shown.event(e)
		}
		if i == 2 {
			if _, err := io.WriteString(shown.scripts(), "output\n"); err != nil {
				t.Fatal(err)
			}
		}
		e.State, e.Bytes = build.Done, int64(i)*1024
		shown.event(e)
	}
}

func TestPlainProgress(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.sif")
	if err := os.WriteFile(path, make([]byte, 1536), 0o600); err != nil {
		t.Fatal(err)
	}
	scripts, err := os.Create(filepath.Join(dir, "scripts"))
	if err != nil {
		t.Fatal(err)
	}
	defer scripts.Close()
	var msg bytes.Buffer
	p := &ui.Process{Terminal: ui.Terminal{Err: &msg}, Stderr: scripts}
	shown := newProgress(p, clock())
	steps(t, shown)
	shown.summary(path)
	shown.close()
	want := `sealift: [1/3] one
sealift: [2/3] two
sealift: [2/3] cached
sealift: [3/3] three
sealift:     step     time        size  what
sealift:      1/3     1.0s              one
sealift:      2/3   cached     1.0 KiB  two
sealift:      3/3     1.0s     2.0 KiB  three
sealift:    total     3.0s     1.5 KiB  PATH
`
	if got := strings.ReplaceAll(msg.String(), path, "PATH"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if text, err := os.ReadFile(scripts.Name()); err != nil || string(text) != "output\n" {
		t.Errorf("scripts printed %q, %v", text, err)
	}

	msg.Reset()
	p.Quiet = true
	shown = newProgress(p, clock())
	steps(t, shown)
	if shown.summary(path); msg.Len() > 0 {
		t.Errorf("quiet: %q", msg.String())
	}
}

// TestLiveProgress: on a terminal a step's own line comes before what it
// prints, and is not printed twice.
func TestLiveProgress(t *testing.T) {
	control, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	if err := pty.Setsize(control, &pty.Winsize{Rows: 20, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	p := &ui.Process{Terminal: ui.Terminal{Err: tty}, Stderr: tty, Environ: []string{"TERM=xterm"}}
	shown := newProgress(p, clock())
	steps(t, shown)
	p.Info("between")
	shown.event(build.Event{Number: 4, Of: 4, Step: named{name: "fails"}, Written: func() int64 { return 0 }})
	shown.close()
	if p.Err != io.Writer(tty) {
		t.Error("messages still go to the live line")
	}
	fmt.Fprintln(tty, "END")
	var seen strings.Builder
	for b := make([]byte, 4096); !strings.HasSuffix(seen.String(), "END\r\n"); {
		n, err := control.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		seen.Write(b[:n])
	}
	var lines []string
	for line := range strings.SplitSeq(seen.String(), "\r\n") {
		lines = append(lines, line[strings.LastIndexByte(line, '\x1b')+1:])
	}
	want := "[Ksealift: [1/3] one|[Ksealift: [2/3] two (cached)|[Ksealift: [3/3] three|[Koutput|[Ksealift: between|[Ksealift: [4/4] fails|[KEND|"
	if got := strings.Join(lines, "|"); got != want {
		t.Errorf("%q\n%q", got, seen.String())
	}
	if !strings.Contains(seen.String(), "[3/3] three  ") || !strings.Contains(seen.String(), ", 2.0 KiB written") {
		t.Errorf("no live line in %q", seen.String())
	}
	if err := tty.Close(); err != nil {
		t.Error(err)
	}
}
