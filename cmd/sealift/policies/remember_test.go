package policies

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust"
	"github.com/sealift/sealift/image/trust/gate"
	"github.com/sealift/sealift/image/trust/merkle"
	"github.com/sealift/sealift/image/trust/pem"
	"github.com/sealift/sealift/image/trust/policy"
	"github.com/sealift/sealift/image/trust/remember"
)

// signedImage makes an image that is signed by a key, which the user's rules want.
func (l *level) signedImage() *os.File {
	l.Helper()
	l.p.Environ = append(l.p.Environ, "SEALIFT_CONFIGDIR="+l.dir)
	l.plain("ada", time.Now().Add(time.Hour))
	l.write("trust.toml", l.signer("key", "ada.pub"))
	f, _ := l.newImage(false)
	text, err := os.ReadFile(l.path("ada.pem"))
	must(l, err)
	key, err := pem.ParsePrivate(text, nil)
	must(l, err)
	must(l, trust.Sign(l.Context(), f, trust.SignOptions{Plain: key, Now: time.Now()}))
	return f
}

// hold asks about an image, as a command does that may use the cache or not.
func (l *level) hold(f *os.File, anew bool) (*merkle.Reader, error) {
	l.Helper()
	img, err := sif.Load(f)
	must(l, err)
	hold, err := Hold(l.Context(), l.p, "", false, anew)
	must(l, err)
	return hold(f, img)
}

// What was read is remembered in the user's cache, unless the user wants it anew.
func TestRemembers(t *testing.T) {
	l := newLevel(t)
	f := l.signedImage()
	entries := func() (list []string) {
		list, err := filepath.Glob(l.path(".cache/sealift/" + remember.Kind + "/*"))
		must(t, err)
		return list
	}
	for _, anew := range []bool{true, false} {
		r, err := l.hold(f, anew)
		if r == nil || err != nil || len(entries()) > 0 == anew {
			t.Errorf("anew %t: %v; in the cache is %q", anew, err, entries())
		}
	}
	img, err := sif.Load(f)
	must(t, err)
	part, err := img.Primary()
	must(t, err)
	_, err = f.WriteAt([]byte("changed"), part.Offset+part.Size-100)
	must(t, err)
	r, err := l.hold(f, false)
	must(t, err)
	if _, err := r.ReadAt(make([]byte, 1), part.Size-100); err == nil {
		t.Error("what was changed is read")
	}
	_, err = l.hold(f, true)
	if _, ok := errors.AsType[*policy.Refusal](err); !ok {
		t.Errorf("read anew: %v", err)
	}
	if said := l.log.String(); said != "" { // the image is small
		t.Errorf("it says %q", said)
	}
}

// Without a cache that can be used all goes as without one.
func TestForgets(t *testing.T) {
	l := newLevel(t)
	f := l.signedImage()
	blocked := l.write("blocked", "")
	for name, environ := range map[string]string{"no home": "HOME=", "no directory": "SEALIFT_CACHEDIR=" + blocked} {
		l.p.Environ = []string{"SEALIFT_CONFIGDIR=" + l.dir, environ}
		for range 2 {
			if r, err := l.hold(f, false); r == nil || err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if said := l.log.String(); said != "" {
			t.Errorf("%s: it says %q", name, said)
		}
	}
}

// Whatever takes a while is told, and what was in vain then; and damage always.
func TestTells(t *testing.T) {
	l := newLevel(t)
	g := &gate.Gate{}
	remembering(l.p, g, false)
	small, large := int64(worthTelling-1), int64(worthTelling)
	warn := g.Memory.(*remember.Trees).Warn
	says := func(size int64, err error, want ...string) {
		t.Helper()
		l.log.Reset()
		told := g.Whole(size)
		told.Add(1000)
		told.Stop()
		warn(err)
		lines := strings.Split(strings.TrimSpace(l.log.String()), "\n")
		if len(want) == 0 && l.log.Len() == 0 {
			return
		}
		if len(lines) != len(want) {
			t.Fatalf("%q, want %q", lines, want)
		}
		for i, text := range want {
			if !strings.Contains(lines[i], text) {
				t.Errorf("%q, want %q", lines, want)
			}
		}
	}
	unkept, damage := &remember.NotKeptError{Cause: errors.New("a full disk")}, errors.New("damaged")
	says(small, unkept)
	says(small, damage, "sealift: warning: damaged")
	says(large, unkept, "sealift: reading 256.0 MiB to verify the image", "is read again at the next start: a full disk")
	says(large, damage, "sealift: reading", "damaged")
	l.p.Quiet = true
	says(large, unkept, "is read again")
	g = &gate.Gate{}
	remembering(l.p, g, true)
	if g.Memory != nil || g.Whole == nil {
		t.Error("what is to be read anew is remembered, or not told of")
	}
}

// On a terminal a bar is shown.
func TestBar(t *testing.T) {
	control, tty, err := pty.Open()
	must(t, err)
	defer control.Close()
	must(t, pty.Setsize(control, &pty.Winsize{Rows: 20, Cols: 120}))
	shown := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(control) // ends with EIO when the other side is closed
		shown <- b
	}()
	p := &ui.Process{Terminal: ui.Terminal{Err: tty}, Environ: []string{"TERM=xterm"}, Stderr: tty}
	g := &gate.Gate{}
	remembering(p, g, true)
	told := g.Whole(worthTelling)
	told.Add(worthTelling / 2)
	time.Sleep(300 * time.Millisecond) // for it to be drawn
	told.Stop()
	p.Info("afterwards")
	must(t, tty.Close())
	got := <-shown
	for _, want := range []string{"verifying the image", "134.2 MB / 268.4 MB", "sealift: afterwards"} {
		if !bytes.Contains(got, []byte(want)) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if bytes.Contains(got, []byte("sealift: reading")) {
		t.Errorf("there is a line as well: %q", got)
	}
}
