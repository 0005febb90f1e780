package ui

import (
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Live is the last line of a terminal, which tells what is going on while it
// goes on. All that is printed meanwhile has to go through it, and appears
// above it.
type Live struct {
	w     io.Writer
	width func() int
	quit  chan struct{}
	ended chan struct{}

	mu sync.Mutex
	// line returns the text: what may be cut, and what comes behind it. Nil is
	// no text.
	line func() (text, tail string)
	// drawn says that the text is on the terminal, open that what was printed
	// last has not ended its line, which is left alone until it does.
	drawn, open bool
}

// liveInterval is how often a live line is drawn anew.
const liveInterval = 250 * time.Millisecond

// StartLive starts a live line on standard error, where that is a terminal that
// can show one and the user wants information; else it returns nil. Stop ends
// it.
func (p *Process) StartLive() *Live {
	if !p.Shows() {
		return nil
	}
	tick := time.NewTicker(liveInterval)
	return startLive(p.Stderr, func() int { return columns(p.Stderr) }, tick.C, tick.Stop)
}

// columns returns how wide a terminal is now, 0 for what is none.
func columns(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// OnTerminal says that results go to a terminal.
func (p *Process) OnTerminal() bool {
	if p.Stdout == nil {
		return false
	}
	_, err := unix.IoctlGetTermios(int(p.Stdout.Fd()), unix.TCGETS)
	return err == nil
}

// startLive draws the line at every tick, and calls stop in the end.
func startLive(w io.Writer, width func() int, tick <-chan time.Time, stop func()) *Live {
	l := &Live{w: w, width: width, quit: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		defer stop()
		for {
			select {
			case <-tick:
				l.refresh()
			case <-l.quit:
				return
			}
		}
	}()
	return l
}

// Set changes what the line says: text, which is cut where the terminal is
// narrow, and tail behind it. line is called whenever the line is drawn, and
// must not use l. Nil is no line.
func (l *Live) Set(line func() (text, tail string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line = line
	l.print(nil)
}

func (l *Live) refresh() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.print(nil)
}

// Write prints above the line.
func (l *Live) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.print(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Stop removes the line. What is written afterwards is just printed.
func (l *Live) Stop() {
	close(l.quit)
	<-l.ended
	l.Set(nil)
}

// erase goes to the start of the line and clears it (ECMA-48, EL).
const erase = "\r\x1b[K"

// print writes above and the line below it at once, so that nothing comes in
// between.
func (l *Live) print(above []byte) error {
	var out []byte
	if l.drawn {
		out = append(out, erase...)
	}
	out = append(out, above...)
	if len(above) > 0 {
		l.open = above[len(above)-1] != '\n'
	}
	l.drawn = false
	if l.line != nil && !l.open {
		text, tail := l.line()
		if s := fit(Clean(text), Clean(tail), l.width()-1); s != "" {
			out, l.drawn = append(out, s...), true
		}
	}
	if len(out) == 0 {
		return nil
	}
	_, err := l.w.Write(out)
	return err
}

// fit cuts text so that it and tail take so many columns at most.
func fit(text, tail string, width int) string {
	const dots = "…"
	text = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, text)
	room := width - cells(tail)
	if room <= 0 {
		return ""
	}
	if cells(text) <= room {
		return text + tail
	}
	end, used := 0, 1
	for i, r := range text {
		if used += cells(string(r)); used > room {
			break
		}
		end = i + len(string(r))
	}
	return text[:end] + dots + tail
}

// cells returns how many columns text takes at most: what is beyond Latin
// letters may take two.
func cells(text string) int {
	n := 0
	for _, r := range text {
		n++
		if r > 0x2ff && r != '…' {
			n++
		}
	}
	return n
}

// Shows says that standard error is a terminal on which something may move, and nothing does
// yet: messages go through what does.
func (p *Process) Shows() bool {
	return p.Err == io.Writer(p.Stderr) && !p.Quiet && !p.Silent && p.takesEscapes() && columns(p.Stderr) > 0
}

// takesEscapes says that the terminal takes escape sequences, and that the user does.
func (p *Process) takesEscapes() bool {
	return !p.NoColor && p.Variable("NO_COLOR") == "" && !slices.Contains([]string{"", "dumb"}, p.Variable("TERM"))
}
