package policies

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/cmd/sealift/rulefiles"
	"github.com/sealift/sealift/cmd/sealift/verdicts"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust"
	"github.com/sealift/sealift/image/trust/merkle"
	"github.com/sealift/sealift/image/trust/pem"
)

// errUnknown is what of an image is not remembered.
var errUnknown = errors.New("unknown")

// known asks about an image, as a start does that knows no rules.
func (l *level) known(path string) (*merkle.Reader, error) {
	l.Helper()
	f, err := os.Open(path)
	must(l, err)
	defer f.Close()
	img, err := sif.Load(f)
	if err != nil {
		return nil, err
	}
	return verdicts.Hold(l.p, errUnknown)(f, img)
}

// allowed wants that an image is known to be allowed, or is not.
func (l *level) allowed(what, path string, want bool) {
	l.Helper()
	if r, err := l.known(path); (err == nil) != want || (r != nil) != want || !want && err != errUnknown {
		l.Errorf("%s: %v, and a reader: %t", what, err, r != nil)
	}
}

// signs signs an image by a key that a level has.
func (l *level) signs(f *os.File, name string) {
	l.Helper()
	text, err := os.ReadFile(l.path(name + ".pem"))
	must(l, err)
	key, err := pem.ParsePrivate(text, nil)
	must(l, err)
	must(l, trust.Sign(l.Context(), f, trust.SignOptions{Plain: key, Now: time.Now()}))
}

// recorded makes an image with a hash tree that the rules allow, and asks about it once.
func (l *level) recorded() (path string) {
	l.Helper()
	must(l, os.MkdirAll(l.path("conf/keys"), 0o700))
	l.p.Environ = append(l.p.Environ, "SEALIFT_CONFIGDIR="+l.path("conf"))
	l.plain("ada", time.Now().Add(time.Hour))
	l.write("conf/keys/pgp-public", "")
	must(l, os.Mkdir(l.path("b"), 0o755))
	must(l, os.Mkdir(l.path("c"), 0o755))
	must(l, os.Symlink("b", l.path("link")))
	l.write("conf/trust.toml", l.signer("key", "ada.pub")+fmt.Sprintf("[[rule]]\npath = %q\naction = \"deny\"\n", l.path("link")))
	f, _ := l.newImage(true)
	l.signs(f, "ada")
	must(l, f.Chmod(0o644))
	l.allowed("before", f.Name(), false)
	r, err := l.hold(f, false)
	if r == nil || err != nil {
		l.Fatalf("%v", err)
	}
	l.allowed("afterwards", f.Name(), true)
	return f.Name()
}

// flip changes a byte of a file.
func flip(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	b[0] ^= 1
	_, errWrite := f.WriteAt(b, at)
	return errors.Join(err, errWrite, f.Close())
}

// Whatever a verdict follows from: when it is otherwise, the rules are asked.
func TestVerdictsEnd(t *testing.T) {
	object := func(path, what string) sif.Object {
		f, err := os.Open(path)
		must(t, err)
		defer f.Close()
		img, err := sif.Load(f)
		must(t, err)
		for _, o := range img.Objects() {
			if o.Type.String() == what || o.Name == what {
				return o
			}
		}
		t.Fatalf("no %s in %v", what, img.Objects())
		return sif.Object{}
	}
	for name, change := range map[string]func(l *level, path string) error{
		"other rules": func(l *level, _ string) error { l.write("conf/trust.toml", deny); return nil },
		"a comment": func(l *level, _ string) error {
			text, err := os.ReadFile(l.path("conf/trust.toml"))
			l.write("conf/trust.toml", string(text)+"#\n")
			return err
		},
		"rules of others":     func(l *level, _ string) error { return os.Chmod(l.path("conf/trust.toml"), 0o646) },
		"rules of a user":     func(l *level, _ string) error { return os.Chown(l.path("conf/trust.toml"), 1501, -1) },
		"directory of all":    func(l *level, _ string) error { return os.Chmod(l.path("conf"), 0o777) },
		"directory of a user": func(l *level, _ string) error { return os.Chown(l.path("conf"), 1501, -1) },
		"rules by a link": func(l *level, _ string) error {
			return errors.Join(os.Rename(l.path("conf/trust.toml"), l.path("conf/t")), os.Symlink("t", l.path("conf/trust.toml")))
		},
		"other keys":     func(l *level, _ string) error { l.write("conf/keys/pgp-public", "x"); return nil },
		"no keys":        func(l *level, _ string) error { return os.Remove(l.path("conf/keys/pgp-public")) },
		"keys of others": func(l *level, _ string) error { return os.Chmod(l.path("conf/keys/pgp-public"), 0o666) },
		"another key":    func(l *level, _ string) error { l.plain("ada", time.Now().Add(time.Hour)); return nil },
		"no key":         func(l *level, _ string) error { return os.Remove(l.path("ada.pub")) },
		"key of others":  func(l *level, _ string) error { return os.Chmod(l.path("ada.pub"), 0o622) },
		"another keyring": func(l *level, _ string) error {
			l.p.Environ = append([]string{"SEALIFT_KEYSDIR=" + l.dir}, l.p.Environ...)
			return nil
		},
		"another directory": func(l *level, _ string) error {
			l.p.Environ = append([]string{"SEALIFT_CONFIGDIR=" + l.path("c")}, l.p.Environ...)
			l.write("c/trust.toml", deny)
			return nil
		},
		"a link": func(l *level, _ string) error {
			return errors.Join(os.Remove(l.path("link")), os.Symlink("c", l.path("link")))
		},
		"header": func(_ *level, path string) error { return flip(path, 60) },
		"descriptor": func(_ *level, path string) error {
			f, err := os.Open(path)
			must(t, err)
			defer f.Close()
			img, err := sif.Load(f)
			must(t, err)
			return flip(path, img.Header().TableOffset+300) // of a name
		},
		"signature": func(_ *level, path string) error {
			o := object(path, "Signature")
			return flip(path, o.Offset+o.Size/2)
		},
		"root": func(_ *level, path string) error { return flip(path, object(path, merkle.RootName).Offset+40) },
		"unused cache": func(l *level, _ string) error {
			l.p.Environ = append([]string{"SEALIFT_DISABLE_CACHE=yes"}, l.p.Environ...)
			return nil
		},
		"damaged verdict": func(l *level, _ string) error { return l.eachVerdict(func(path string) error { return flip(path, 5) }) },
		"verdict of a user": func(l *level, _ string) error {
			return l.eachVerdict(func(path string) error { return os.Chown(path, 1501, -1) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLevel(t)
			path := l.recorded()
			must(t, change(l, path))
			if _, err := l.known(path); err == nil || err != errUnknown && name != "header" && name != "descriptor" {
				t.Errorf("it is allowed still, or %v", err)
			}
		})
	}
}

func (l *level) eachVerdict(do func(path string) error) error {
	list, err := filepath.Glob(l.path(".cache/sealift/verdict/" + strings.Repeat("?", 64)))
	for _, path := range list {
		err = errors.Join(err, do(path))
	}
	if len(list) != 1 {
		err = errors.Join(err, fmt.Errorf("there are %d verdicts", len(list)))
	}
	return err
}

// An image is known by its place and by what is in it; its data are held against the tree.
func TestVerdictsHold(t *testing.T) {
	l := newLevel(t)
	path := l.recorded()
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path+"2", text, 0o644))
	l.allowed("a copy elsewhere", path+"2", false)
	must(t, os.Rename(path+"2", path))
	l.allowed("a copy in its place", path, true)
	must(t, os.Symlink(path, l.path("by.sif")))
	l.allowed("by a link", l.path("by.sif"), true)

	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	img, err := sif.Load(f)
	must(t, err)
	part, err := img.Primary()
	must(t, err)
	must(t, flip(path, part.Offset+part.Size-10))
	r, err := verdicts.Hold(l.p, errUnknown)(f, img)
	must(t, err)
	var wrong *merkle.Mismatch
	if _, err := r.ReadAt(make([]byte, 1), part.Size-10); !errors.As(err, &wrong) {
		t.Errorf("what was changed is read: %v", err)
	}
	if _, err := r.ReadAt(make([]byte, 1), 10); err != nil {
		t.Errorf("what was not: %v", err)
	}
}

// What is not remembered is asked each time.
func TestVerdictsNot(t *testing.T) {
	for name, prepare := range map[string]func(l *level) *os.File{
		"refused": func(l *level) *os.File { f, _ := l.newImage(true); return f },
		"no tree": func(l *level) *os.File { f, _ := l.newImage(false); l.signs(f, "ada"); return f },
		"a certificate that ends today": func(l *level) *os.File {
			l.write("trust.toml", l.signer("certificate", "ada.crt", "roots", "ada.crt"))
			f, _ := l.newImage(true)
			l.signs(f, "ada")
			return f
		},
		"keys that are not understood": func(l *level) *os.File {
			must(l, os.Mkdir(l.path("keys"), 0o700))
			l.write("keys/pgp-public", "nonsense")
			f, _ := l.newImage(true)
			l.signs(f, "ada")
			return f
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLevel(t)
			l.p.Environ = append(l.p.Environ, "SEALIFT_CONFIGDIR="+l.dir)
			l.plain("ada", time.Now().Add(time.Hour))
			l.write("trust.toml", l.signer("key", "ada.pub"))
			f := prepare(l)
			if _, err := l.hold(f, false); (err == nil) == (name == "refused") {
				t.Errorf("%v", err)
			}
			l.allowed(name, f.Name(), false)
		})
	}
	t.Run("asked anew", func(t *testing.T) {
		l := newLevel(t)
		l.p.Environ = append(l.p.Environ, "SEALIFT_CONFIGDIR="+l.dir)
		l.plain("ada", time.Now().Add(time.Hour))
		l.write("trust.toml", l.signer("key", "ada.pub"))
		f, _ := l.newImage(true)
		l.signs(f, "ada")
		_, err := l.hold(f, true)
		must(t, err)
		l.allowed("before", f.Name(), false)
	})
}

// A certificate that lasts is good for a verdict.
func TestVerdictsOfCertificates(t *testing.T) {
	l := newLevel(t)
	l.p.Environ = append(l.p.Environ, "SEALIFT_CONFIGDIR="+l.dir)
	l.plain("ada", time.Now().Add(verdicts.Lifetime+time.Minute))
	l.write("trust.toml", l.signer("certificate", "ada.crt", "roots", "ada.crt"))
	f, _ := l.newImage(true)
	l.signs(f, "ada")
	_, err := l.hold(f, false)
	must(t, err)
	l.allowed("one that lasts", f.Name(), true)
	l.plain("bob", time.Now().Add(time.Hour))
	must(t, os.Rename(l.path("bob.crt"), l.path("ada.crt")))
	l.allowed("another", f.Name(), false)
}

// Images that no rule is about start as if there were none.
func TestVerdictsElsewhere(t *testing.T) {
	for name, rules := range map[string]string{"none for it": "[[rule]]\npath = \"/elsewhere\"\naction = \"deny\"\n", "none at all": ""} {
		l := newLevel(t)
		l.p.Environ = append(l.p.Environ, "SEALIFT_CONFIGDIR="+l.dir)
		l.write("trust.toml", rules)
		f, img := l.newImage(true)
		ask := verdicts.Hold(l.p, errUnknown)
		if _, err := ask(f, img); err != errUnknown {
			t.Errorf("%s, before: %v", name, err)
		}
		hold, err := Hold(t.Context(), l.p, "", false, false)
		must(t, err)
		r, err := hold(f, img)
		if r != nil || err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, tree := range []bool{true, false} {
			f, img := l.newImage(tree)
			for _, img := range []*sif.Image{img, nil} { // nil is another format
				if r, err := ask(f, img); r != nil || err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		must(t, l.eachVerdict(func(string) error { return nil }))
		l.write("trust.toml", fmt.Sprintf("[[rule]]\npath = %q\naction = \"deny\"\n", f.Name()))
		if _, err := ask(f, img); err != errUnknown {
			t.Errorf("%s, with another rule: %v", name, err)
		}
		must(t, os.Remove(l.path("trust.toml")))
		if verdicts.Hold(l.p, errUnknown) != nil {
			t.Errorf("%s: without rules an image is judged", name)
		}
	}
}

// One that a rule allows is not elsewhere, nor are others of a place.
func TestVerdictsOfAllowed(t *testing.T) {
	l := newLevel(t)
	l.p.Environ = append(l.p.Environ, "SEALIFT_CONFIGDIR="+l.dir)
	f, img := l.newImage(true)
	other, otherImage := l.newImage(true)
	for _, rest := range []string{"allow", "deny"} {
		l.write("trust.toml", fmt.Sprintf("[default]\naction = %q\n[[rule]]\npath = %q\naction = \"allow\"\n[[rule]]\npath = %q\naction = \"deny\"\n",
			rest, f.Name(), other.Name()))
		hold, err := Hold(t.Context(), l.p, "", false, false)
		must(t, err)
		if r, err := hold(f, img); r != nil || err != nil {
			t.Errorf("%v", err)
		}
		ask := verdicts.Hold(l.p, errUnknown)
		if r, err := ask(f, img); r != nil || err != nil {
			t.Errorf("what is allowed: %v", err)
		}
		if _, err := ask(other, otherImage); err != errUnknown {
			t.Errorf("what is denied: %v", err)
		}
		third, thirdImage := l.newImage(true)
		if _, err := ask(third, thirdImage); err != errUnknown {
			t.Errorf("of which nobody has asked: %v", err)
		}
	}
}

// What is allowed where an image has been moved to is not remembered of where it was.
func TestVerdictsOfMoved(t *testing.T) {
	l := newLevel(t)
	l.p.Environ = append(l.p.Environ, "SEALIFT_CONFIGDIR="+l.dir)
	must(t, os.Mkdir(l.path("free"), 0o755))
	l.write("trust.toml", fmt.Sprintf("[default]\naction = \"deny\"\n[[rule]]\npath = %q\naction = \"allow\"\n", l.path("free")))
	f, img := l.newImage(true)
	there := l.path("free/x.sif")
	k := record(l.p)
	o, err := openFor(l.p, false)
	must(t, err)
	o.Locate = func(f *os.File) (string, error) {
		must(t, os.Rename(f.Name(), there))
		return rulefiles.Locate(f)
	}
	if r, err := k.decider(o)(t.Context(), f, img); r != nil || err != nil {
		t.Fatalf("%v", err)
	}
	must(t, os.Rename(there, f.Name()))
	if _, err := verdicts.Hold(l.p, errUnknown)(f, img); err != errUnknown {
		t.Errorf("where it was it is allowed: %v", err)
	}
}
