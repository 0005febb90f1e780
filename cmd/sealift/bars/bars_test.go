package bars

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/sealift/sealift/cmd/sealift/ui"
)

func TestBar(t *testing.T) {
	control, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	if err := pty.Setsize(control, &pty.Winsize{Rows: 20, Cols: 120}); err != nil {
		t.Fatal(err)
	}
	shown := make(chan string)
	go func() {
		b, _ := io.ReadAll(control) // ends with EIO when the other side is closed
		shown <- string(b)
	}()
	p := &ui.Process{Terminal: ui.Terminal{Err: tty}, Environ: []string{"TERM=xterm"}, Stderr: tty}
	b := Start(p, "docker://x\x1b[2J")
	b.Add(1) // nobody sees it yet
	b.Expect(2000)
	b.Expect(3000) // once is enough
	b.Add(1000)
	p.Info("in between")
	if Start(p, "y") != nil || p.StartLive() != nil {
		t.Error("two things move on a terminal")
	}
	b.Add(1000)
	b.Stop()
	if p.Err != io.Writer(tty) {
		t.Error("messages still go to the bar")
	}
	p.Info("afterwards")
	tty.Close()
	got := <-shown
	for _, want := range []string{"sealift: in between", "sealift: afterwards"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if strings.Contains(got, "\x1b[2J") {
		t.Errorf("a name controls the terminal: %q", got)
	}
}

// TestNoBar is where there is none: off a terminal, or where nobody wants it.
func TestNoBar(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, p := range []*ui.Process{
		{Terminal: ui.Terminal{Err: null}, Environ: []string{"TERM=xterm"}, Stderr: null},
		{Terminal: ui.Terminal{Err: null, Quiet: true}, Environ: []string{"TERM=xterm"}, Stderr: null},
		{Terminal: ui.Terminal{Err: null}, Environ: []string{"TERM=dumb"}, Stderr: null},
	} {
		b := Start(p, "x")
		if b != nil {
			t.Error("a bar is shown")
		}
		b.Expect(1)
		b.Add(1)
		b.Stop()
	}
}
