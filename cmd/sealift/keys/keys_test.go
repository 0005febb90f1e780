package keys

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/e2e/fixture/keyserver"
	"github.com/sealift/sealift/image/trust/keyring"
)

// session is a user who types commands.
type session struct {
	*testing.T
	p        *ui.Process
	out, log bytes.Buffer
	home     string
	site     string
}

func newSession(t *testing.T) *session {
	s := &session{T: t, home: t.TempDir(), site: t.TempDir()}
	if err := os.Chmod(s.site, 0o755); err != nil {
		t.Fatal(err)
	}
	s.p = &ui.Process{Environ: []string{"HOME=" + s.home}, Terminal: ui.Terminal{Out: &s.out, Err: &s.log}}
	return s
}

// run runs a command with a standard input, and returns what it prints.
func (s *session) run(input string, args ...string) (string, error) {
	s.Helper()
	path := filepath.Join(s.TempDir(), "stdin")
	if err := os.WriteFile(path, []byte(input), 0o600); err != nil {
		s.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		s.Fatal(err)
	}
	defer f.Close()
	s.p.Stdin = f
	s.out.Reset()
	s.log.Reset()
	c := command(&commands{p: s.p, site: site([]string{s.site})})
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetOut(io.Discard)
	c.SetArgs(args)
	err = c.ExecuteContext(context.Background())
	return s.out.String(), err
}

func (s *session) must(want, input string, args ...string) string {
	s.Helper()
	out, err := s.run(input, args...)
	if err != nil || !strings.Contains(out, want) {
		s.Fatalf("%q: %s%s, %v", args, out, s.log.String(), err)
	}
	return out
}

func (s *session) fails(want string, args ...string) {
	s.Helper()
	if out, err := s.run("", args...); err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
		s.Errorf("%q: %s, error %v, hint %q", args, out, err, hint.Of(err))
	}
}

// list returns what list --json says.
func (s *session) list(args ...string) ringJSON {
	s.Helper()
	var r ringJSON
	if err := json.Unmarshal([]byte(s.must("", "", append([]string{"list", "--json"}, args...)...)), &r); err != nil {
		s.Fatal(err)
	}
	return r
}

// pair makes a key of a name, and returns its fingerprint.
func (s *session) pair(name, password string) string {
	s.Helper()
	out := s.must("done\n", "", "newpair", "-N", name, "-E", name+"@h.example", "-C", "", "-P", password, "-b", "2048")
	told := s.log.String()
	if password != "" && strings.Contains(out+told, password) {
		s.Errorf("%s%s", out, told)
	}
	keys := s.list().Keys
	made := keys[len(keys)-1].Fingerprint
	if !strings.Contains(told, made) {
		s.Errorf("%s", told)
	}
	return made
}

func (s *session) file(name, text string) string {
	s.Helper()
	path := filepath.Join(s.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	return path
}

// TestLife: keys are made, listed, exported, removed and imported again.
func TestLife(t *testing.T) {
	s := newSession(t)
	s.fails("there is no private key", "export", "-s", filepath.Join(t.TempDir(), "none"))
	ann := s.pair("ann", "s3cret")
	bob := s.pair("bob", "")
	public := filepath.Join(s.home, ".apptainer/keys/pgp-public")
	text := s.must("Public key listing ("+public+"):\n\n0)  User:", "", "list")
	if want := "1)  User:              bob () <bob@h.example>\n    Creation time:     "; !strings.Contains(text, want) {
		t.Errorf("%s", text)
	}
	if want := "    Fingerprint:       " + bob + "\n    Length (in bits):  2048\n\n"; !strings.HasSuffix(text, want) {
		t.Errorf("%s", text)
	}
	secret := s.list("-s")
	if k := secret.Keys; len(k) != 2 || !k[0].Locked || k[1].Locked || !k[0].Secret || k[0].Fingerprint != ann || k[0].State != keyring.Valid || k[0].Users[0].Email != "ann@h.example" {
		t.Errorf("%+v", secret)
	}

	dir := t.TempDir()
	one, two := filepath.Join(dir, "ann.asc"), filepath.Join(dir, "bob")
	s.must("Private key with fingerprint "+ann+" correctly exported to file: "+one, "", "export", "-s", "-a", "--fingerprint", ann, one)
	s.must("Public key with fingerprint "+bob, "1\n", "export", two)
	s.fails("exists", "export", "--fingerprint", bob, two)
	s.must("", "", "export", "-F", "--fingerprint", bob, two)
	s.fails("is the number of no key", "export", two+"2")
	s.fails("there is no public key", "export", "--fingerprint", strings.Repeat("A", 40), two+"2")
	s.fails("is no fingerprint", "export", "--fingerprint", "12345678", two+"2")
	for path, mode := range map[string]os.FileMode{one: 0o600, two: 0o644} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%v, %v", st, err)
		}
	}

	s.must("", "", "remove", ann)
	s.fails("does not have the key", "remove", ann)
	s.must("", "", "remove", "-b", ann)
	s.fails("does not have the key", "remove", "-b", ann)
	s.must("", "", "remove", "-p", "-s", bob)
	s.fails("is no fingerprint", "remove", "bob")
	if n := len(s.list().Keys) + len(s.list("-s").Keys); n != 0 {
		t.Errorf("%d keys are left", n)
	}
	s.must("Key with fingerprint "+ann+" successfully added to the private keyring\nKey with fingerprint "+ann+" successfully added to the public keyring\n", "", "import", one)
	if out := s.must("", "", "import", one); out != "" || !strings.Contains(s.log.String(), "already") {
		t.Errorf("%q, %s", out, s.log.String())
	}
	s.must(bob+" successfully added to the public keyring\n", "", "import", two)
}

// TestNewPassword: an imported key gets another passphrase.
func TestNewPassword(t *testing.T) {
	s := newSession(t)
	ann := s.pair("ann", "old")
	path := filepath.Join(t.TempDir(), "ann")
	s.must("", "", "export", "-s", path)
	s.must("", "", "remove", "-b", ann)
	if _, err := s.run("wrong\nbad\nno\n", "import", "--new-password", path); !errors.Is(err, keyring.ErrPassphrase) || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
	s.fails("is wrong", "import", "--new-password", "--passphrase-file", s.file("p", "wrong"), path)
	if n := len(s.list("-s").Keys); n != 0 {
		t.Errorf("%d keys came", n)
	}
	s.must("", "old\nnew\nnew\n", "import", "--new-password", path)
	r, err := keyring.Secret(filepath.Join(s.home, ".apptainer/keys")).Read()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Find(ann).Unlock(func(int) ([]byte, error) { return []byte("new"), nil }); err != nil {
		t.Error(err)
	}
}

// TestQuestions: what no flag says comes from the standard input.
func TestQuestions(t *testing.T) {
	s := newSession(t)
	s.must("done\n", "Dora\nd@h.example\n\none\ntwo\nthree\nthree\n", "newpair", "-b", "2048")
	if k := s.list("-s").Keys; len(k) != 1 || !k[0].Locked || k[0].Users[0] != (keyring.User{Name: "Dora", Email: "d@h.example"}) {
		t.Errorf("%+v", k)
	}
	s.must("done\n", "Eva\n\n\n\n\ny\n", "newpair", "-b", "2048")
	s.must("done\n", "", "newpair", "-b", "2048", "-N", "F", "-E", "", "-C", "", "--passphrase-file", s.file("p", "from a file\n"))
	if k := s.list("-s").Keys; len(k) != 3 || k[1].Locked || !k[2].Locked {
		t.Errorf("%+v", k)
	}
	s.fails("the passphrase is empty", "newpair", "-N", "G", "-E", "", "-C", "", "-b", "2048")
	s.fails("needs the name", "newpair", "-N", "", "-E", "", "-C", "", "-P", "x")
	s.fails("too short", "newpair", "-N", "H", "-E", "", "-C", "", "-P", "x", "-b", "512")
	s.fails("unexpected operand", "newpair", "x")
	if n := len(s.list("-s").Keys); n != 3 {
		t.Errorf("%d keys", n)
	}
}

// TestImportErrors: what is wrong is told, what is right comes in.
func TestImportErrors(t *testing.T) {
	s := newSession(t)
	read := func(name string) string {
		text, err := os.ReadFile("../../../image/trust/keyring/testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	s.fails("no key in it", "import", s.file("empty", ""))
	s.fails("is weak: DSA of 2048 bits", "import", s.file("dsa", read("dsa.asc")))
	s.fails("is weak: RSA of 1024 bits", "import", s.file("both", read("rsa1024.asc")+read("ecdsa.asc")))
	if !strings.Contains(s.log.String(), "is expired") || len(s.list().Keys) != 1 || s.list().Keys[0].State != keyring.Expired {
		t.Errorf("%s", s.log.String())
	}
	s.must("    State:             expired\n", "", "list")
	if _, err := s.run("", "import", "/does/not/exist"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	s.fails("needs 1 operands", "import")
	damaged := filepath.Join(s.home, ".apptainer/keys/pgp-public")
	if err := os.Truncate(damaged, 100); err != nil {
		t.Fatal(err)
	}
	s.must("", "", "list")
	if !strings.Contains(s.log.String(), "damaged") {
		t.Errorf("%s", s.log.String())
	}
}

// TestPlaces: the keyrings are where the flag, the environment or the files say.
func TestPlaces(t *testing.T) {
	s := newSession(t)
	dir := t.TempDir()
	for _, c := range []struct {
		environ []string
		args    []string
		want    string
	}{
		{[]string{"HOME=/h"}, nil, "/h/.apptainer/keys/pgp-public"},
		{[]string{"HOME=/h", "APPTAINER_CONFIGDIR=/c"}, nil, "/c/keys/pgp-public"},
		{[]string{"HOME=/h", "APPTAINER_KEYSDIR=" + dir}, nil, dir + "/pgp-public"},
		{[]string{"APPTAINER_KEYSDIR=/x", "SEALIFT_KEYSDIR=" + dir}, nil, dir + "/pgp-public"},
		{[]string{"APPTAINER_KEYSDIR=/x"}, []string{"-d", dir}, dir + "/pgp-public"},
		{nil, []string{"-g"}, s.site + "/global-pgp-public"},
	} {
		s.p.Environ = c.environ
		if r := s.list(c.args...); r.Keyring != c.want {
			t.Errorf("%v: %s", c.environ, r.Keyring)
		}
	}
	s.p.Environ = nil
	s.fails("no directory for keyrings", "list")
	s.fails("has no secret keys", "list", "-g", "-s")
}

// TestSite: the site's keyring takes what is public of a key, and no name but
// the first that is there counts.
func TestSite(t *testing.T) {
	s := newSession(t)
	ann := s.pair("ann", "")
	path := filepath.Join(t.TempDir(), "ann")
	s.must("", "", "export", "-s", path)
	out := s.must(ann+" successfully added to the public keyring\n", "", "import", "-g", path)
	if strings.Contains(out, "private") || !strings.Contains(s.log.String(), "only the public part") {
		t.Errorf("%s%s", out, s.log.String())
	}
	if k := s.list("-g").Keys; len(k) != 1 || k[0].Secret {
		t.Errorf("%+v", k)
	}
	other := t.TempDir()
	if got := site([]string{other, s.site}).Path; got != s.site+"/global-pgp-public" {
		t.Error(got)
	}
	if got := site([]string{other, other + "2"}).Path; got != other+"/global-pgp-public" {
		t.Error(got)
	}
	if os.Geteuid() == 0 {
		return
	}
	if err := os.Chmod(s.site, 0o555); err != nil {
		t.Fatal(err)
	}
	s.fails("permission denied", "remove", "-g", ann)
}

// TestServer: keys go to a key server and come back, with Apptainer's words.
func TestServer(t *testing.T) {
	server := keyserver.New()
	t.Cleanup(server.Close)
	s := newSession(t)
	url := "--url=" + server.URL()
	s.fails("no matching keys found", "search", url, "ann")
	s.must("done\nKey successfully pushed to keystore\n", "", "newpair", "-N", "ann", "-E", "a@h.example", "-C", "", "-P", "x", "-b", "2048", "--push", url)
	ann := s.list().Keys[0].Fingerprint
	for _, name := range []string{ann, ann[24:]} {
		s.must("public key `"+name+"' pushed to server successfully\n", "", "push", url, name)
	}
	if !strings.Contains(s.log.String(), `the key server says: "stored 1 keys"`) {
		t.Errorf("%s", s.log.String())
	}
	s.fails("does not have the key", "push", url, strings.Repeat("A", 40))
	s.fails("is no fingerprint", "push", url, strings.Repeat("A", 16))

	s.must("", "", "remove", ann)
	s.must("Showing 3 results\n\nKEY ID    BITS  NAME/EMAIL\n"+ann[32:]+"  2048  ann <a@h.example>\n", "", "search", url, "a@h")
	s.must("FINGERPRINT                               ALGORITHM  BITS  CREATION DATE", "", "search", "-l", url, ann)
	s.must(`"id": "`+ann+`"`, "", "search", "--json", url, ann)
	public := filepath.Join(s.home, ".apptainer/keys/pgp-public")
	s.must("1 key(s) added to keyring of trust "+public+"\n", "", "pull", url, "0x"+strings.ToLower(ann))
	s.must("0 key(s) added", "", "pull", url, ann)
	s.fails("answers 404", "pull", url, strings.Repeat("A", 40))
	s.fails("is no fingerprint", "pull", url, ann[32:])
	s.fails("not the address of a key server", "pull", "--url=ldap://x", ann)
	server.Close()
	s.fails("refused", "newpair", "-N", "b", "-E", "", "-C", "", "-P", "", "-b", "2048", "--push", url)
	if n := len(s.list("-s").Keys); n != 2 {
		t.Errorf("%d keys: one that was made and not pushed is lost", n)
	}
}

// TestHostileText: what a key says of itself moves no cursor and makes no line.
func TestHostileText(t *testing.T) {
	if got := clean("a\nFingerprint:\t00\x1b[2J\u202e"); strings.ContainsAny(got, "\n\t\x1b\u202e") {
		t.Errorf("%q", got)
	}
}
