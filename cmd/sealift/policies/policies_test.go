package policies

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/rulefiles"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/merkle"
	"github.com/sealift/sealift/image/trust/policy"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// level is a user whose files are in a directory, where the site's are too. The site's
// have to be root's, who the tests are therefore run as.
type level struct {
	*testing.T
	p   *ui.Process
	log bytes.Buffer
	dir string
	at  rulefiles.Paths
}

func newLevel(t *testing.T) *level {
	if os.Geteuid() != 0 {
		apart.Skip(t, "only root can have the site's files")
	}
	l := &level{T: t, dir: t.TempDir()}
	l.p = &ui.Process{Environ: []string{"HOME=" + l.dir}, Terminal: ui.Terminal{Out: io.Discard, Err: &l.log}}
	l.at = rulefiles.Paths{Site: l.path("site.toml"), User: l.path("user.toml"), ECL: []string{l.path("ecl.toml"), l.path("second.toml")}}
	return l
}

func (l *level) path(name string) string { return filepath.Join(l.dir, name) }

func (l *level) write(name, text string) string {
	l.Helper()
	must(l, os.WriteFile(l.path(name), []byte(text), 0o644))
	return l.path(name)
}

// origins are the rules of all files for an image somewhere.
func (l *level) origins(place string) string {
	l.Helper()
	g, err := open(l.p, l.at, uint32(os.Getuid()))
	if err != nil || g == nil {
		l.Errorf("%v, and a gate: %v", err, g != nil)
		return ""
	}
	var list []string
	for _, r := range g.Policy.Rules(policy.Subject{Path: place}) {
		list = append(list, strings.TrimPrefix(r.Origin, l.dir+"/")+" "+string(r.Action))
	}
	return strings.Join(list, ", ")
}

// refuses wants that no image may be used.
func (l *level) refuses(text string) {
	l.Helper()
	g, err := open(l.p, l.at, uint32(os.Getuid()))
	if g != nil || err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(hint.Of(err), "no image is used until") {
		l.Errorf("%v (hint %q), want %q; and a gate: %v", err, hint.Of(err), text, g != nil)
	}
}

const deny = "[default]\naction = \"deny\"\n"

func TestNoRules(t *testing.T) {
	l := newLevel(t)
	for _, at := range []rulefiles.Paths{l.at, {}} {
		if g, err := open(l.p, at, 0); g != nil || err != nil {
			t.Errorf("%v, and a gate: %v", err, g != nil)
		}
	}
	l.write("ecl.toml", "activated = false\n")
	if g, err := open(l.p, l.at, 0); g != nil || err != nil {
		t.Errorf("a list that is not activated: %v, and a gate: %v", err, g != nil)
	}
}

// A file that is not to be trusted is not passed over.
func TestBadFiles(t *testing.T) {
	for name, c := range map[string]struct {
		make func(path string) error
		want string
	}{
		"symbolic link": {func(path string) error {
			return errors.Join(os.WriteFile(path+".real", []byte(deny), 0o600), os.Symlink(path+".real", path))
		}, "too many levels of symbolic links"},
		"dangling link":     {func(path string) error { return os.Symlink("nowhere", path) }, "too many levels of symbolic links"},
		"FIFO":              {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "is not a regular file"},
		"directory":         {func(path string) error { return os.Mkdir(path, 0o700) }, "is not a regular file"},
		"of all":            {written(deny, 0o666), "may be changed by others: its mode is 0666"},
		"of the group":      {written(deny, 0o660), "may be changed by others: its mode is 0660"},
		"large":             {written(deny+strings.Repeat("#", maxFile), 0o600), "bytes, more than 4194304"},
		"of no format":      {written("default", 0o600), ":1:"},
		"unknown":           {written("[defaults]\n", 0o600), "defaults is not a setting"},
		"of somebody else":  {func(path string) error { return errors.Join(written(deny, 0o600)(path), os.Chown(path, 1501, 0)) }, "belongs to the user 1501"},
		"below a file":      {nil, "not a directory"},
		"without a meaning": {written("[default]\naction = \"maybe\"\n", 0o600), `action is "maybe"`},
	} {
		for _, which := range []string{"site", "user", "ecl"} {
			t.Run(which+", "+name, func(t *testing.T) {
				l := newLevel(t)
				path := l.path("rules.toml")
				if c.make == nil {
					path = filepath.Join(l.write("file", ""), "rules.toml")
				} else {
					must(t, c.make(path))
				}
				want := c.want
				switch which {
				case "site":
					l.at.Site = path
				case "user":
					l.at.User = path
				case "ecl":
					l.at.ECL = []string{path}
					if name == "without a meaning" {
						want = "default is not a setting"
					} else if name == "unknown" {
						want = "defaults"
					}
				}
				l.refuses(want)
			})
		}
	}
}

func written(text string, mode os.FileMode) func(string) error {
	return func(path string) error {
		return errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode))
	}
}

// The user's file is theirs or root's; the site's is not the user's.
func TestOwners(t *testing.T) {
	const uid = 1501
	l := newLevel(t)
	l.write("user.toml", deny)
	for _, owner := range []int{0, uid} {
		must(t, os.Chown(l.at.User, owner, -1))
		if g, err := open(l.p, l.at, uid); g == nil || err != nil {
			t.Errorf("the file of %d: %v", owner, err)
		}
	}
	must(t, os.Chown(l.at.User, uid+1, -1))
	if g, err := open(l.p, l.at, uid); g != nil || err == nil || !strings.Contains(err.Error(), "belongs to the user 1502") {
		t.Errorf("the file of somebody else: %v", err)
	}
	must(t, os.Remove(l.at.User))
	for _, path := range []string{l.at.Site, l.at.ECL[0]} {
		must(t, os.WriteFile(path, []byte(deny), 0o644))
		must(t, os.Chown(path, uid, -1))
		if g, err := open(l.p, l.at, uid); g != nil || err == nil || !strings.Contains(err.Error(), "belongs to the user 1501") {
			t.Errorf("%s: %v", path, err)
		}
		must(t, os.Remove(path))
	}
}

// From a directory that others may write to, they could take the rules.
func TestDirectories(t *testing.T) {
	const uid = 1501
	for _, c := range []struct {
		owner int
		mode  os.FileMode
		want  string
	}{
		{0, 0o777, "may be changed by others: its mode is 0777"},
		{uid, 0o775, "may be changed by others: its mode is 0775"},
		{uid + 1, 0o755, "belongs to the user 1502"},
		{uid, 0o700, ""}, {0, 0o755, ""},
		{0, 0o777 | os.ModeSticky, ""}, // where nobody can take what is another's
	} {
		l := newLevel(t)
		l.write("user.toml", deny)
		must(t, errors.Join(os.Chown(l.at.User, uid, -1), os.Chown(l.dir, c.owner, -1), os.Chmod(l.dir, c.mode)))
		g, err := open(l.p, l.at, uid)
		switch {
		case c.want == "" && (g == nil || err != nil):
			t.Errorf("%d, %v: %v", c.owner, c.mode, err)
		case c.want != "" && (g != nil || err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(hint.Of(err), "in such a directory")):
			t.Errorf("%d, %v: %v (%s)", c.owner, c.mode, err, hint.Of(err))
		}
	}
}

// One that the user may not read refuses, too.
func TestUnreadable(t *testing.T) {
	l := newLevel(t)
	must(t, os.Mkdir(l.path("closed"), 0o700))
	l.write("closed/rules.toml", deny)
	l.write("rules.toml", deny)
	must(t, os.Chmod(l.path("rules.toml"), 0o600))
	apart.GiveUser(t, l.dir)
	for _, name := range []string{"rules.toml", "closed/rules.toml"} {
		for _, at := range []rulefiles.Paths{{Site: l.path(name)}, {User: l.path(name)}, {ECL: []string{l.path(name)}}} {
			apart.AsUser(func() {
				g, err := open(l.p, at, apart.UserID)
				if g != nil || !errors.Is(err, os.ErrPermission) || hint.Of(err) == "" {
					t.Errorf("%+v: %v", at, err)
				}
			})
		}
	}
}

// TestHomeThatIsShut (T123): rules in a home that cannot be entered are not there;
// those in one that can, but are shut themselves, let nothing be used.
func TestHomeThatIsShut(t *testing.T) {
	l := newLevel(t)
	must(t, os.MkdirAll(l.path("home/.config/sealift"), 0o755))
	l.write("home/.config/sealift/trust.toml", deny)
	path := l.path("home/.config/sealift/trust.toml")
	l.p.Environ = []string{"HOME=" + l.path("home")}
	apart.GiveUser(t, l.dir)
	for _, c := range []struct {
		shut string
		used bool
	}{{"home", true}, {"home/.config", false}} {
		must(t, os.Chmod(l.path(c.shut), 0))
		apart.AsUser(func() {
			g, err := open(l.p, rulefiles.Paths{User: path}, apart.UserID)
			if g != nil || (err == nil) != c.used || strings.Contains(l.log.String(), "cannot be entered") != c.used {
				t.Errorf("%s: %v, %v, %s", c.shut, g, err, l.log.String())
			}
		})
		must(t, os.Chmod(l.path(c.shut), 0o755))
		l.log.Reset()
	}
}

func TestLevels(t *testing.T) {
	l := newLevel(t)
	l.write("site.toml", deny)
	if got := l.origins("/a"); got != "site.toml deny" {
		t.Errorf("rules %s", got)
	}
	l.write("user.toml", "[default]\naction = \"verify\"\n[[rule]]\npath = \"/a\"\naction = \"allow\"\n")
	l.write("ecl.toml", "activated = true\n[[execgroup]]\ndirpath = \"/b\"\nmode = \"blacklist\"\nkeyfp = []\n")
	for place, want := range map[string]string{
		"/a": "site.toml deny, ecl.toml deny", "/b/x": "site.toml deny, user.toml verify, ecl.toml:2 verify",
	} {
		if got := l.origins(place); got != want {
			t.Errorf("%s: rules %s, want %s", place, got, want)
		}
	}
	// The first list that there is counts, also if it says nothing.
	l.write("second.toml", "activated = true\n")
	l.write("ecl.toml", "activated = false\n")
	if got := l.origins("/b/x"); got != "site.toml deny, user.toml verify" {
		t.Errorf("rules %s", got)
	}
	must(t, os.Remove(l.path("ecl.toml")))
	if got := l.origins("/b/x"); got != "site.toml deny, user.toml verify, second.toml deny" {
		t.Errorf("rules %s", got)
	}
	// Rules are for what a link leads to.
	real, err := filepath.EvalSymlinks(l.dir)
	must(t, err)
	must(t, os.Mkdir(l.path("b"), 0o755))
	must(t, os.Symlink("b", l.path("link")))
	l.write("user.toml", fmt.Sprintf("[[rule]]\npath = %q\naction = \"verify\"\n", l.path("link")))
	if got := l.origins(real + "/b/x"); !strings.Contains(got, "user.toml:1 verify") {
		t.Errorf("rules %s", got)
	}
}

// plain makes the files of a signer.
func (l *level) plain(name string, until time.Time) {
	l.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(l, err)
	open, err := x509.MarshalPKIXPublicKey(public)
	must(l, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: until.Add(-48 * time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	cert, err := x509.CreateCertificate(rand.Reader, c, c, public, private)
	must(l, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	must(l, err)
	l.write(name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	l.write(name+".pub", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: open})))
	l.write(name+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
}

// signer is a rule that names a signer by files.
func (l *level) signer(files ...string) string {
	text := "[[signer]]\nname = \"release\"\n"
	for i := 0; i < len(files); i += 2 {
		text += fmt.Sprintf("%s = %q\n", files[i], l.path(files[i+1]))
	}
	return text + "[default]\naction = \"verify\"\nsigners = [\"release\"]\n"
}

func TestSigners(t *testing.T) {
	l := newLevel(t)
	l.plain("ada", time.Now().Add(time.Hour))
	l.plain("bob", time.Now().Add(time.Hour))
	l.plain("old", time.Now().Add(-time.Minute))
	for _, files := range [][]string{
		{"key", "ada.pub"}, {"certificate", "ada.crt", "roots", "ada.crt"}, {"certificate", "ada.crt", "roots", "ada.crt", "intermediates", "bob.crt"},
	} {
		l.write("site.toml", l.signer(files...))
		if got := l.origins("/a"); got != "site.toml verify" {
			t.Errorf("%q: rules %q", files, got)
		}
	}
	// Two files may each have a signer of a name.
	l.write("site.toml", l.signer("key", "ada.pub"))
	l.write("user.toml", l.signer("key", "bob.pub"))
	g, err := open(l.p, l.at, 0)
	must(t, err)
	site, user := g.Plain[policy.Signer{Name: "release", Key: l.path("ada.pub")}], g.Plain[policy.Signer{Name: "release", Key: l.path("bob.pub")}]
	if len(g.Plain) != 2 || site == nil || user == nil || site.Fingerprint() == user.Fingerprint() {
		t.Errorf("keys %v", g.Plain)
	}
	must(t, os.Remove(l.path("user.toml")))

	l.write("text", "text")
	must(t, syscall.Mkfifo(l.path("fifo"), 0o600))
	must(t, os.Chmod(l.write("open.pub", ""), 0o666))
	must(t, os.Chown(l.write("foreign.crt", ""), 1501, -1))
	for _, c := range []struct {
		want  string
		files []string
	}{
		{`signer "release": open ` + l.path("none") + ": no such file", []string{"key", "none"}},
		{"no such file", []string{"certificate", "none"}},
		{"no such file", []string{"certificate", "ada.crt", "roots", "none"}},
		{"no such file", []string{"certificate", "ada.crt", "intermediates", "none"}},
		{`signer "release": `, []string{"key", "text"}},
		{"text: it holds no certificate", []string{"certificate", "text"}},
		{"it holds no certificate", []string{"certificate", "ada.crt", "roots", "text"}},
		{"certificate of ada: ", []string{"certificate", "ada.crt"}},
		{"certificate of ada: ", []string{"certificate", "ada.crt", "roots", "bob.crt"}},
		{"certificate of old: x509: certificate has expired", []string{"certificate", "old.crt", "roots", "old.crt"}},
		{"fifo is not a regular file", []string{"key", "fifo"}},
		{"open.pub may be changed by others: its mode is 0666", []string{"key", "open.pub"}},
		{"foreign.crt belongs to the user 1501", []string{"certificate", "foreign.crt"}},
	} {
		l.write("site.toml", l.signer(c.files...))
		l.refuses(c.want)
	}
}

// newImage makes an image that nobody has signed.
func (l *level) newImage(tree bool) (*os.File, *sif.Image) {
	l.Helper()
	f, err := os.CreateTemp(l.dir, "*.sif")
	must(l, err)
	l.Cleanup(func() { must(l, f.Close()) })
	c := sif.Contents{Arch: "amd64", Time: time.Unix(1700000000, 0)}
	partition := func(w io.Writer) ([]byte, error) {
		_, err := w.Write(make([]byte, 200<<10))
		return make([]byte, 96), err
	}
	if tree {
		must(l, merkle.Create(l.Context(), f, c, partition))
	} else {
		must(l, sif.Create(f, c, partition))
	}
	st, err := f.Stat()
	must(l, err)
	img, err := sif.Open(f, st.Size())
	must(l, err)
	return f, img
}

// The rules are those that the environment leads to.
func TestHold(t *testing.T) {
	l := newLevel(t)
	l.p.Environ = append(l.p.Environ, "SEALIFT_CONFIGDIR="+l.dir)
	if g, err := Open(l.p, false); g != nil || err != nil {
		t.Errorf("without rules: %v, %v", g, err)
	}
	if hold, err := Hold(t.Context(), l.p, "", false, false); hold != nil || err != nil {
		t.Errorf("without rules an image is judged; %v", err)
	}
	for _, tree := range []bool{true, false} {
		f, img := l.newImage(tree)
		hold, err := Hold(t.Context(), l.p, "", true, false)
		must(t, err)
		r, err := hold(f, img)
		if tree && (r == nil || err != nil) || !tree && (r != nil || !errors.Is(err, merkle.ErrNoTree)) {
			t.Errorf("with a tree: %v; %v", tree, err)
		}
		for _, always := range []bool{true, false} {
			l.write("trust.toml", fmt.Sprintf("[[rule]]\npath = %q\naction = \"verify\"\n[[rule]]\nsource = \"h.example\"\naction = \"deny\"\n", f.Name()))
			for name, want := range map[string]string{"": "it is not signed", "oras://h.example/x:1": "images of there are not to be used"} {
				hold, err := Hold(t.Context(), l.p, name, always, false)
				must(t, err)
				r, err := hold(f, img)
				if _, ok := errors.AsType[*policy.Refusal](err); !ok || r != nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%q: %v, want %q", name, err, want)
				}
			}
			must(t, os.Remove(l.path("trust.toml")))
		}
		if said := l.log.String(); said != "" { // the image is small
			t.Errorf("it says %q", said)
		}
		l.log.Reset()
	}
	l.write("trust.toml", "x")
	if hold, err := Hold(t.Context(), l.p, "", true, false); hold != nil || err == nil {
		t.Errorf("rules that are none: %v", err)
	}
}

// What was made of an OCI image was judged when that was got. The rules have to be
// good all the same, and the hash tree that --verify wants.
func TestHoldOfLayers(t *testing.T) {
	l := newLevel(t)
	l.p.Environ = append(l.p.Environ, "SEALIFT_CONFIGDIR="+l.dir)
	l.write("trust.toml", deny)
	tree, treeImage := l.newImage(true)
	bare, bareImage := l.newImage(false)
	for _, name := range []string{
		"docker://docker.io/library/debian:12", "docker-daemon:debian:12", "docker-archive:/a/d.tar", "oci:/a/dir:1", "oci-archive:/a/o.tar",
	} {
		hold, err := Hold(t.Context(), l.p, name, false, false)
		if hold != nil || err != nil {
			t.Errorf("%s: it is judged again; %v", name, err)
		}
		hold, err = Hold(t.Context(), l.p, name, true, false)
		must(t, err)
		if r, err := hold(tree, treeImage); r == nil || err != nil {
			t.Errorf("%s, with a tree: %v", name, err)
		}
		if r, err := hold(bare, bareImage); r != nil || !errors.Is(err, merkle.ErrNoTree) {
			t.Errorf("%s, without a tree: %v", name, err)
		}
	}
	for _, name := range []string{"", "oras://h.example/x:1", "library://a/b/c:1", "https://h.example/x.sif", "ocix:/a"} {
		hold, err := Hold(t.Context(), l.p, name, false, false)
		must(t, err)
		if _, err := hold(tree, treeImage); err == nil {
			t.Errorf("%q is not judged", name)
		}
	}
	l.write("trust.toml", "x")
	if _, err := Hold(t.Context(), l.p, "docker://h.example/x", false, false); err == nil {
		t.Error("rules that are none do not count")
	}
}

// A file that is covered by another one is not at its path.
func TestLocateCovered(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "a.sif")
		must(t, os.WriteFile(path, nil, 0o600))
		f, err := os.Open(path)
		must(t, err)
		defer f.Close()
		must(t, syscall.Mount("none", dir, "tmpfs", 0, ""))
		for _, there := range []bool{false, true} {
			if there {
				must(t, os.WriteFile(path, nil, 0o600))
			}
			got, err := rulefiles.Locate(f)
			if err == nil || !strings.Contains(err.Error(), "a.sif is not at the path") || !strings.Contains(hint.Of(err), "copy it") {
				t.Errorf("%q, %v, hint %q", got, err, hint.Of(err))
			}
		}
		must(t, syscall.Unmount(dir, 0))
		if got, err := rulefiles.Locate(f); err != nil || filepath.Base(got) != "a.sif" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// Where a file is, it is by its directory and not by what it was opened as.
func TestLocate(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	path := filepath.Join(dir, "a.sif")
	must(t, os.WriteFile(path, nil, 0o600))
	must(t, os.Symlink("a.sif", filepath.Join(dir, "link")))
	f, err := os.Open(filepath.Join(dir, "../"+filepath.Base(dir), "link"))
	must(t, err)
	defer f.Close()
	wants := func(want string) {
		t.Helper()
		if got, err := rulefiles.Locate(f); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	wants(path)
	must(t, os.Rename(path, path+"2"))
	wants(path + "2")
	must(t, os.Link(path+"2", path))
	must(t, os.Remove(path+"2")) // it has another name by now
	wants(path + "2")
	must(t, os.WriteFile(path+"2 (deleted)", nil, 0o600))
	wants(path + "2")
	odd, err := os.Open(path + "2 (deleted)")
	must(t, err)
	defer odd.Close()
	if got, err := rulefiles.Locate(odd); err != nil || got != path+"2 (deleted)" {
		t.Errorf("%q, %v", got, err)
	}
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	defer w.Close()
	if got, err := rulefiles.Locate(r); err == nil {
		t.Errorf("a pipe is at %q", got)
	}
}

func TestTopic(t *testing.T) {
	c := Topic()
	for line := range strings.Lines(c.Long) {
		if len(line) > 81 {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
}
