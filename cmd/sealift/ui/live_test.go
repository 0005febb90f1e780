package ui

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
)

// screen is what a terminal shows of what is written to it.
type screen struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(b)
}

// lines returns what is left when lines were erased.
func (s *screen) lines() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var shown []string
	for line := range strings.SplitSeq(s.all.String(), "\n") {
		if i := strings.LastIndex(line, erase); i >= 0 {
			line = line[i+len(erase):]
		}
		shown = append(shown, line)
	}
	return strings.Join(shown, "\n")
}

// live starts a line that is drawn when the test says so.
func live(width int) (*Live, *screen, chan time.Time, *bool) {
	s, tick, stopped := &screen{}, make(chan time.Time), false
	return startLive(s, func() int { return width }, tick, func() { stopped = true }), s, tick, &stopped
}

func said(text, tail string) func() (string, string) {
	return func() (string, string) { return text, tail }
}

func TestLive(t *testing.T) {
	l, s, tick, stopped := live(40)
	show := func(want string) {
		t.Helper()
		if got := s.lines(); got != want {
			t.Errorf("shows %q, want %q", got, want)
		}
	}
	write := func(text string) {
		t.Helper()
		if n, err := l.Write([]byte(text)); n != len(text) || err != nil {
			t.Error(n, err)
		}
	}
	show("")
	write("before\n")
	show("before\n")
	l.Set(said("working", " 1s"))
	show("before\nworking 1s")
	write("output\n")
	show("before\noutput\nworking 1s")
	// A line that is not complete is left alone, whatever happens.
	write("half")
	show("before\noutput\nhalf")
	l.Set(said("working", " 2s"))
	tick <- time.Time{}
	write(" a line\r50%\r100%\n")
	l.Set(said("working", " 3s"))
	show("before\noutput\nhalf a line\r50%\r100%\nworking 3s")
	l.Set(nil)
	show("before\noutput\nhalf a line\r50%\r100%\n")
	l.Set(said("more\nwork\x1b[2J", ""))
	show("before\noutput\nhalf a line\r50%\r100%\nmore work\ufffd[2J")
	l.Stop()
	show("before\noutput\nhalf a line\r50%\r100%\n")
	select {
	case tick <- time.Time{}:
		t.Error("somebody still listens")
	default:
	}
	if !*stopped {
		t.Error("the clock is not stopped")
	}
}

// TestLiveTicks: the line changes by itself.
func TestLiveTicks(t *testing.T) {
	l, s, tick, _ := live(40)
	n := 0
	l.Set(func() (string, string) { n++; return strings.Repeat("x", n), "" })
	tick <- time.Time{}
	tick <- time.Time{}
	l.Stop() // the second one is dealt with
	if !strings.Contains(s.all.String(), "xxx") {
		t.Errorf("%q", s.all.String())
	}
}

// TestLiveTogether has several writers, for the race detector.
func TestLiveTogether(t *testing.T) {
	l, s, _, _ := live(40)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				io.WriteString(l, "line\n")
				l.Set(said("x", "y"))
			}
		})
	}
	wg.Wait()
	l.Stop()
	if got := s.lines(); got != strings.Repeat("line\n", 400) {
		t.Errorf("%q", got)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestLiveFails(t *testing.T) {
	l := startLive(brokenWriter{}, func() int { return 80 }, nil, func() {})
	defer l.Stop()
	if _, err := l.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		text, tail string
		width      int
		want       string
	}{
		{"abc", " 1s", 6, "abc 1s"}, {"abcd", " 1s", 6, "ab… 1s"}, {"abcd", " 1s", 4, "… 1s"}, {"abcd", " 1s", 3, ""},
		{"abcd", "", -1, ""}, {"漢字漢字", "", 5, "漢字…"}, {"漢字漢字", "", 4, "漢…"}, {"a\tb", "", 9, "a b"}, {"äöü", "", 3, "äöü"},
	} {
		if got := fit(c.text, c.tail, c.width); got != c.want {
			t.Errorf("%q %q in %d: %q", c.text, c.tail, c.width, got)
		}
	}
}

// TestStartLive: only a terminal that can show a line gets one.
func TestStartLive(t *testing.T) {
	control, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	defer tty.Close()
	if err := pty.Setsize(control, &pty.Winsize{Rows: 20, Cols: 30}); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for _, c := range []struct {
		name    string
		f       *os.File
		environ []string
		quiet   bool
		want    bool
	}{
		{"terminal", tty, []string{"TERM=xterm"}, false, true},
		{"quiet", tty, []string{"TERM=xterm"}, true, false},
		{"dumb", tty, []string{"TERM=dumb"}, false, false},
		{"no TERM", tty, nil, false, false},
		{"no color", tty, []string{"TERM=xterm", "NO_COLOR=1"}, false, false},
		{"--nocolor", tty, []string{"TERM=xterm"}, false, false},
		{"pipe", w, []string{"TERM=xterm"}, false, false},
	} {
		p, _, _ := fake(c.environ...)
		p.Stderr, p.Err, p.Quiet, p.NoColor = c.f, c.f, c.quiet, c.name == "--nocolor"
		l := p.StartLive()
		if (l != nil) != c.want {
			t.Errorf("%s: %v", c.name, l)
		}
		if l == nil {
			continue
		}
		l.Set(said(strings.Repeat("x", 100), "END"))
		l.Stop()
		b := make([]byte, 200)
		n, err := control.Read(b)
		if err != nil || !strings.HasPrefix(string(b[:n]), strings.Repeat("x", 25)+"…END") {
			t.Errorf("%q, %v", b[:n], err)
		}
	}
}

// TestPainter colours results on terminals that can show it.
func TestPainter(t *testing.T) {
	control, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	defer tty.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	const coloured = "\x1b[31mx\x1b[0m"
	for _, c := range []struct {
		f       *os.File
		environ []string
		want    string
	}{
		{tty, []string{"TERM=xterm"}, coloured}, {tty, []string{"TERM=xterm", "NO_COLOR=1"}, "x"},
		{tty, nil, "x"}, {tty, []string{"TERM=dumb"}, "x"}, {w, []string{"TERM=xterm"}, "x"}, {nil, []string{"TERM=xterm"}, "x"},
	} {
		p, _, _ := fake(c.environ...)
		p.Stdout = c.f
		if got := p.Painter()(Red, "x"); got != c.want {
			t.Errorf("%v: %q", c.environ, got)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0.0s", 40 * time.Millisecond: "0.0s", 9940 * time.Millisecond: "9.9s", 9960 * time.Millisecond: "10s",
		59400 * time.Millisecond: "59s", 59600 * time.Millisecond: "1m00s", 3599 * time.Second: "59m59s", 2*time.Hour + 3*time.Minute: "2h03m",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
