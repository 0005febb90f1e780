package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

var (
	ada = strings.Repeat("A", 40)
	bob = strings.Repeat("B", 40)
	eve = strings.Repeat("E", 40)
)

const trust = `
[default]
action = "verify"

[[signer]]
name = "ada"
fingerprint = "AAAA AAAA AAAA AAAA AAAA  AAAA AAAA AAAA AAAA AAAA"
[[signer]]
name = "release"
certificate = "/etc/sealift/release.pem"
roots = "/etc/sealift/roots.pem"

[[rule]]
path = "/scratch"
action = "allow"
[[rule]]
path = "/scratch/shared"
action = "verify"
signers = ["ada", "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", "release"]
need = 2
[[rule]]
path = "/scratch/shared/one.sif"
action = "verify"
signers = ["ada"]
strict = true
forbidden = ["0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"]
[[rule]]
source = "docker.io/library"
action = "allow"
[[rule]]
source = "library://team/"
action = "deny"
`

func parsed(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse("trust.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRules(t *testing.T) {
	f := parsed(t, trust)
	f.Resolve(func(path string) string {
		if path == "/scratch" {
			return "/mnt/disk1"
		}
		return ""
	})
	p := New(nil, f)
	for _, c := range []struct {
		subject Subject
		want    string // the line and action of the rule
	}{
		{Subject{Path: "/home/ada/a.sif"}, "trust.toml verify"},
		{Subject{Path: "/scratch/a.sif"}, ""},
		{Subject{Path: "/scratch"}, ""},
		{Subject{Path: "/mnt/disk1/a.sif"}, ""},
		{Subject{Path: "/mnt/disk10/a.sif"}, "trust.toml verify"},
		{Subject{Path: "/scratch2/a.sif"}, "trust.toml verify"},
		{Subject{Path: "/scratch/shared/a/b.sif"}, "trust.toml:16 verify"},
		{Subject{Path: "/scratch/sharedx"}, ""},
		{Subject{Path: "/scratch/shared/one.sif"}, "trust.toml:21 verify"},
		{Subject{Source: "docker://docker.io/library/debian"}, ""},
		{Subject{Source: "oras://docker.io/library/debian"}, ""},
		{Subject{Source: "docker://docker.io/library"}, ""},
		{Subject{Source: "docker://docker.io/librarian/debian"}, "trust.toml verify"},
		{Subject{Source: "docker://docker.io.example/library/debian"}, "trust.toml verify"},
		{Subject{Source: "library://h.example/team/tools/x"}, "trust.toml:30 deny"},
		{Subject{Source: "library://h.example/x/team"}, "trust.toml verify"},
		{Subject{Source: "oras://team/tools/x"}, "trust.toml verify"},
		{Subject{}, "trust.toml verify"},
	} {
		got := ""
		for _, r := range p.Rules(c.subject) {
			got += r.Origin + " " + string(r.Action)
		}
		if got != c.want {
			t.Errorf("%+v: rule %q, want %q", c.subject, got, c.want)
		}
	}
	if n := len(f.Signers()); n != 5 {
		t.Errorf("%d signers", n)
	}
	if list := New(parsed(t, "")).Rules(Subject{Path: "/a"}); len(list) > 0 {
		t.Errorf("an empty file demands %+v", list)
	}
}

func TestSource(t *testing.T) {
	for name, want := range map[string]string{
		"":                                     "",
		"docker://docker.io/library/debian:12": "docker://docker.io/library/debian",
		"docker://h:5000/debian@sha256:ab":     "docker://h:5000/debian",
		"docker://h:5000/debian":               "docker://h:5000/debian",
		"docker://index.docker.io/library/debian:12":    "docker://docker.io/library/debian",
		"oras://registry-1.docker.io/ann/x":             "oras://docker.io/ann/x",
		"docker://Registry.hub.docker.com./debian:12":   "docker://docker.io/library/debian",
		"docker://INDEX.docker.io:443/a/b":              "docker://docker.io/a/b",
		"docker://H.Example.:0443/X:1":                  "docker://h.example/X",
		"docker://h.example.:5000/x":                    "docker://h.example:5000/x",
		"docker://[::1]:443/x":                          "docker://[::1]/x",
		"oras://HOST/x:1":                               "oras://host/x",
		"library://H.example:443/a/b/c:1":               "library://h.example/a/b/c",
		"library://HOST/Team/Tools/x:1":                 "library://host/Team/Tools/x",
		"https://host.example/a%2F..%2Fb/x":             "https://host.example/a%2F..%2Fb/x",
		"https://host.example/a/%2e%2E/b":               "https://host.example/b",
		"https://host.example/a%252Fb":                  "https://host.example/a%252Fb",
		"library://[::1]:5000/team/tools/x:1,2":         "library://[::1]:5000/team/tools/x",
		"library://h.example/x:1":                       "library://h.example/library/default/x",
		"library://h.example/tools/x:1":                 "library://h.example/library/tools/x",
		"library://h.example:80/a/b/c:1":                "library://h.example/a/b/c",
		"docker://h.example:080/x":                      "docker://h.example/x",
		"https://host.example/dir/x.sif?token=1#a":      "https://host.example/dir/x.sif",
		"https://u:p@HOST.example.:443/a/../dir//x.sif": "https://host.example/dir/x.sif",
		"https://host.example/%64ir/x.sif":              "https://host.example/dir/x.sif",
		"http://[::1]:8080/x.sif":                       "http://[::1]:8080/x.sif",
		"http://host.example:80":                        "http://host.example/",
		"http://host.example:443/x":                     "http://host.example:443/x",
	} {
		if got := Source(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	p := New(parsed(t, "[[rule]]\nsource = \"https://host.example/dir\"\naction = \"deny\""))
	for name, want := range map[string]int{"https://Host.example/dir/x": 1, "http://host.example/dir/x": 0, "https://host.example/dir2": 0} {
		if n := len(p.Rules(Subject{Source: Source(name)})); n != want {
			t.Errorf("%s: %d rules", name, n)
		}
	}
}

// A rule is for a place however its source, or the image's name, is written.
func TestSources(t *testing.T) {
	for _, c := range []struct {
		rule, name string
		want       int
	}{
		{"docker.io/library", "docker://index.docker.io/library/debian:12", 1},
		{"index.docker.io/library/", "docker://docker.io/library/debian:12", 1},
		{"docker://Registry-1.docker.io.:443/ann", "docker://index.docker.io/ann/x:1", 1},
		{"docker://docker.io/ann", "oras://docker.io/ann/x:1", 0},
		{"docker.io/debian", "docker://index.docker.io/library/debian:12", 1},
		{"docker.io/debian", "docker://docker.io/debian/x", 1},
		{"docker.io/debian", "docker://docker.io/ann/debian", 0},
		{"docker.io/library", "docker://index.docker.io/ann/library:12", 0},
		{"H.example", "docker://h.EXAMPLE.:443/x:1", 1},
		{"h.example", "docker://h.example:5000/x:1", 0},
		{"docker://", "docker://h.example/x:1", 1},
		{"docker://", "oras://h.example/x:1", 0},
		{"https://Host.example:443/dir/../a/", "https://host.example/a/x", 1},
		{"https://host.example/", "https://host.example/x", 1},
		{"host.example/dir", "http://HOST.example.:80/dir/x", 1},
		{"library://H.example.:443/", "library://h.example/Team/x/y:1", 1},
		{"library://h.example/Team", "library://H.EXAMPLE/Team/x/y:1", 1},
		{"h.example/Team", "library://h.example/Team/x/y:1", 1},
		{"library://h.example/Team", "library://h.example:5000/Team/x/y:1", 0},
		{"library://h.example/Team", "library://g.example/Team/x/y:1", 0},
		// What looks like a host is none of the entities of another library.
		{"library://h.example", "library://g.example/h.example/x/y:1", 0},
		{"h.example/x", "library://g.example/h.example/x/y:1", 0},
		{"[::1]/x", "library://[::1]/x/y/z:1", 1},
		// A name without a host is one of any library, and of no other place.
		{"Team", "library://h.example/Team/x/y", 1},
		{"library://Team/x/", "library://g.example:5000/Team/x/y", 1},
		{"library://Team/x", "library://g.example:5000/Team/xy/y", 0},
		{"Team", "library://h.example/team/x/y", 0},
		{"Team", "oras://h.example/Team/x", 0},
		{"oras://Team", "library://h.example/Team/x/y", 0},
		{"x", "library://h.example/Team/x/y", 0},
		{"library://tool", "library://h.example/tool:1", 1},
		// A host without dot or port may be called so.
		{"library://intra", "library://intra/Team/x/y", 1},
		{"library://intra:443", "library://intra/Team/x/y", 1},
		{"library://intra:443", "library://h.example/intra/x/y", 0},
		{"library://", "library://h.example/Team/x/y", 1},
		// A short name is one of what the library publishes, also in a rule.
		{"library://library", "library://h.example/tool:1", 1},
		{"library://library/default", "library://h.example/tool:1", 1},
		{"library://library/tools", "library://h.example/tools/x:1", 1},
		{"library://h.example/library", "library://h.example/tools/x:1", 1},
		{"h.example/library", "library://h.example/tool:1", 1},
		{"h.example/tool", "library://h.example/tool:1", 1},
		{"library://h.example/tools/x", "library://h.example/library/tools/x:1", 1},
		{"library://h.example/tools/x", "library://h.example/tools/x/y:1", 1},
		{"tools/x", "library://h.example/tools/x:1", 1},
		{"library://h.example/tools/x", "library://h.example/library/tools/y:1", 0},
		{"oras://h.example/tool", "library://h.example/tool:1", 0},
		{"docker://h.example", "docker://h.example:80/x:1", 1},
		{"docker://h.example:80", "docker://h.example/x:1", 1},
		{"https://h.example", "https://h.example:80/x", 0},
	} {
		f := parsed(t, fmt.Sprintf("[[rule]]\nsource = %q\naction = \"deny\"", c.rule))
		if n := len(New(f).Rules(Subject{Source: Source(c.name)})); n != c.want {
			t.Errorf("%s for %s: %d rules, want %d", c.rule, c.name, n, c.want)
		}
	}
}

// The most components count, then the transport, then what is written.
func TestClosest(t *testing.T) {
	for _, c := range []struct{ loose, close, name string }{
		{"docker://docker.io/a", "docker.io/a/bb", "docker://docker.io/a/bb"},
		{"library://a", "a/b", "library://h.example/a/b/c"},
		{"library://a/b", "library://h.example/a/b", "library://h.example/a/b/c"},
		{"library://a", "library://h.example", "library://h.example/a/b/c"},
		{"library://h.example", "library://a/b", "library://h.example/a/b/c"},
		{"docker.io/a", "docker://docker.io/a", "docker://docker.io/a/b"},
		{"docker://", "docker.io", "docker://docker.io/a/b"},
		{"docker.io/debian", "docker.io/library/debian", "docker://docker.io/debian:12"},
	} {
		for _, order := range [][2]string{{c.loose, c.close}, {c.close, c.loose}} {
			text := ""
			for _, source := range order {
				action := Allow
				if source == c.close {
					action = Deny
				}
				text += fmt.Sprintf("[[rule]]\nsource = %q\naction = %q\n", source, action)
			}
			if n := len(New(parsed(t, text)).Rules(Subject{Source: Source(c.name)})); n != 1 {
				t.Errorf("%v: the rule for %s does not count for %s", order, c.close, c.name)
			}
		}
	}
}

// All files have a say.
func TestBoth(t *testing.T) {
	site := parsed(t, "[default]\naction = \"deny\"")
	user := parsed(t, "[[rule]]\npath=\"/\"\naction = \"allow\"")
	if list := New(site, user).Rules(Subject{Path: "/x.sif"}); len(list) != 1 || list[0].Action != Deny {
		t.Errorf("%+v", list)
	}
}

func good(fingerprint string) Signature {
	return Signature{Fingerprint: fingerprint, Valid: true, Whole: true}
}

func TestJudge(t *testing.T) {
	f := parsed(t, trust)
	p := New(f)
	release := Signature{Signers: f.Signers()[2:3], Valid: true, Whole: true}
	bad := func(s Signature) Signature { s.Valid = false; return s }
	part := func(s Signature) Signature { s.Whole = false; return s }
	named := Signature{Signers: []Signer{{Name: "release", Key: "/of/another.pem"}}, Valid: true, Whole: true}
	for name, c := range map[string]struct {
		path string
		list []Signature
		want string // "" if it may be used
	}{
		"unsigned":            {"/home/a.sif", nil, "is not signed"},
		"by anybody":          {"/home/a.sif", []Signature{good(eve)}, ""},
		"invalid":             {"/home/a.sif", []Signature{bad(good(eve))}, "0 of the 1 known signers"},
		"in part":             {"/home/a.sif", []Signature{part(good(eve))}, "0 of the 1 known signers"},
		"one good, one not":   {"/home/a.sif", []Signature{bad(good(eve)), good(bob)}, ""},
		"one of two":          {"/scratch/shared/a", []Signature{good(ada), good(eve)}, "1 of the 2 (of ada, " + bob + ", release)"},
		"one twice":           {"/scratch/shared/a", []Signature{good(ada), good(ada)}, "1 of the 2"},
		"two":                 {"/scratch/shared/a", []Signature{good(ada), good(eve), good(bob)}, ""},
		"key and certificate": {"/scratch/shared/a", []Signature{good(bob), release}, ""},
		"of the same name":    {"/scratch/shared/a", []Signature{good(bob), named}, "1 of the 2"},
		"second invalid":      {"/scratch/shared/a", []Signature{good(ada), bad(good(bob))}, "1 of the 2"},
		"second in part":      {"/scratch/shared/a", []Signature{good(ada), part(release)}, "1 of the 2"},
		"strict":              {"/scratch/shared/one.sif", []Signature{good(ada)}, ""},
		"strict, another":     {"/scratch/shared/one.sif", []Signature{good(ada), good(bob)}, "signature by " + bob + " that does not count"},
		"strict, unknown key": {"/scratch/shared/one.sif", []Signature{good(ada), {}}, "signature by an unknown key"},
		"strict, invalid":     {"/scratch/shared/one.sif", []Signature{good(ada), bad(good(ada))}, "does not count"},
		"forbidden":           {"/scratch/shared/one.sif", []Signature{good(ada), bad(good(eve))}, "signed by " + eve + ", which the rule forbids"},
	} {
		t.Run(name, func(t *testing.T) {
			err := p.Rules(Subject{Path: c.path})[0].Judge(c.list)
			check(t, err, c.want)
		})
	}
	err := p.Rules(Subject{Source: "library://h.example/team/x"})[0].Judge([]Signature{good(ada)})
	check(t, err, "refused by trust.toml:30: images of there are not to be used")
	if err := (&Rule{Action: Allow}).Judge(nil); err != nil {
		t.Error(err)
	}
}

// A key that two signers are known by counts once.
func TestOneKeyTwoNames(t *testing.T) {
	f := parsed(t, "[[signer]]\nname = \"a\"\nkey = \"/a.pem\"\n[[signer]]\nname = \"b\"\ncertificate = \"/b.pem\"\n"+
		"[default]\naction = \"verify\"\nsigners = [\"a\", \"b\"]\nneed = 2\n")
	both := Signature{Key: "1", Signers: f.Signers(), Valid: true, Whole: true}
	r := New(f).Rules(Subject{Path: "/x"})[0]
	check(t, r.Judge([]Signature{both, both}), "1 of the 2")
	other := both
	other.Key = "2"
	check(t, r.Judge([]Signature{both, other}), "")
}

func check(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
		t.Errorf("error %v, hint %q; want %q", err, hint.Of(err), want)
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"x = 1":                         "trust.toml:1:1: x is not a setting",
		"[default]\naction = 1":         "trust.toml:2:",
		"[default]\naction = \"maybe\"": `trust.toml:1:1: [default]: action is "maybe"`,
		"[default]\npath = \"/\"\naction = \"deny\"":                                                             "has no path",
		"[[rule]]\naction = \"deny\"":                                                                            "trust.toml:1:1: a rule has either",
		"[[rule]]\npath = \"/a\"\nsource = \"b\"\naction = \"deny\"":                                             "either a path or a source",
		"[[rule]]\npath = \"a\"\naction = \"deny\"":                                                              "not absolute",
		"[[rule]]\npath = \"/a/../b\"\naction = \"deny\"":                                                        "not absolute and plain",
		"\n[[rule]]\npath = \"/a\"":                                                                              `trust.toml:2:1: action is ""`,
		"[[rule]]\npath = \"/a\"\naction = \"allow\"\nstrict = true":                                             `are for action "verify"`,
		"[[rule]]\npath = \"/a\"\naction = \"deny\"\nneed = 1":                                                   `are for action "verify"`,
		"[[rule]]\npath = \"/a\"\naction = \"verify\"\nneed = 0":                                                 "need is 0",
		"[[rule]]\npath = \"/a\"\naction = \"verify\"\nsigners=[\"AAAAAAAA\"]":                                   `"AAAAAAAA" is neither`,
		"[[rule]]\npath = \"/a\"\naction = \"verify\"\nforbidden=[\"ada\"]":                                      `"ada" is neither`,
		fmt.Sprintf("[default]\naction = \"verify\"\nsigners=[%q]\nneed = 2", ada):                               "need is 2 of 1",
		fmt.Sprintf("[default]\naction = \"verify\"\nsigners=[%q,%[1]q]", ada):                                   "named before",
		"[[signer]]\nfingerprint = \"a\"":                                                                        "trust.toml:1:1: a signer has no name",
		"[[signer]]\nname = \"a\"":                                                                               "has not one of",
		"[[signer]]\nname = \"a\"\nkey=\"/k\"\ncertificate=\"/c\"":                                               "has not one of",
		"[[signer]]\nname = \"a\"\nkey=\"k\"":                                                                    "not an absolute path",
		"[[signer]]\nname = \"a\"\nkey=\"/k\"\nroots=\"/r\"":                                                     "without a certificate",
		"[[signer]]\nname = \"a\"\nfingerprint=\"abc\"":                                                          "not a fingerprint",
		"[[signer]]\nname = \"a\"\nkey=\"/k\"\n[[signer]]\nname = \"a\"\nkey=\"/k\"":                             "trust.toml:4:1: another signer",
		"[[rule]]\npath=\"/\"\naction=\"deny\"\n[[rule]]\npath=\"/\"\naction=\"deny\"":                           "another rule is for /",
		"[[rule]]\nsource=\"h\"\naction=\"deny\"\n[[rule]]\nsource=\"h/\"\naction=\"deny\"":                      "another rule is for h",
		"[[rule]]\nsource=\"index.docker.io\"\naction=\"deny\"\n[[rule]]\nsource=\"docker.io\"\naction=\"deny\"": "another rule is for docker.io",
		"[[rule]]\nsource=\"/\"\naction=\"deny\"":                                                                `source "/" names no place`,
		"rule = [{action = \"deny\"}]":                                                                           "trust.toml:1:1: a rule has",
	} {
		f, err := Parse("trust.toml", []byte(text))
		if f != nil || err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(hint.Of(err), "sealift help trust") {
			t.Errorf("%q: %v, hint %q; want %q", text, err, hint.Of(err), want)
		}
	}
}

func TestECL(t *testing.T) {
	text := func(activated bool, mode string) string {
		return fmt.Sprintf(`activated = %t
legacyinsecure = true
[[execgroup]]
  tagname = "images"
  mode = %q
  dirpath = "/images"
  keyfp = [%q, %q]
`, activated, mode, ada, strings.ToLower(bob))
	}
	for _, c := range []struct {
		mode, path string
		list       []Signature
		want       string
	}{
		{"whitelist", "/images/a.sif", []Signature{good(bob), good(eve)}, ""},
		{"whitelist", "/images/a.sif", []Signature{good(eve)}, "0 of the 1"},
		{"whitelist", "/images/below/a.sif", []Signature{good(bob)}, "of no execgroup"},
		{"whitestrict", "/images/a.sif", []Signature{good(bob)}, "1 of the 2"},
		{"whitestrict", "/images/a.sif", []Signature{good(bob), good(ada), good(eve)}, ""},
		{"blacklist", "/images/a.sif", []Signature{good(eve)}, ""},
		{"blacklist", "/images/a.sif", []Signature{good(eve), good(ada)}, "forbids"},
		{"blacklist", "/images/a.sif", nil, "not signed"},
	} {
		f, err := ParseECL("ecl.toml", []byte(text(true, c.mode)))
		if err != nil {
			t.Fatal(err)
		}
		r := New(f).Rules(Subject{Path: c.path})[0]
		check(t, r.Judge(c.list), c.want)
		if r.Action == Verify && !r.Legacy {
			t.Error("legacyinsecure is lost")
		}
	}
	if f, err := ParseECL("ecl.toml", []byte(text(false, "whitelist"))); f != nil || err != nil {
		t.Errorf("%+v, %v of one that is not activated", f, err)
	}
	f, err := ParseECL("ecl.toml", []byte("activated = true\n[[execgroup]]\nmode=\"blacklist\"\nkeyfp=[]"))
	if err != nil || New(f).Rules(Subject{Path: "/anywhere"})[0].Action != Verify {
		t.Errorf("%+v, %v", f, err)
	}
	for text, want := range map[string]string{
		"activated = true\nx = 1": "ecl.toml:2:1: x is not",
		text(true, "grey"):        `ecl.toml:3:1: mode is "grey"`,
		"activated = true\n[[execgroup]]\nmode = \"whitelist\"":                                      "without keyfp",
		"activated = true\n[[execgroup]]\nmode = \"whitelist\"\nkeyfp=[\"ABC\"]":                     `"ABC" is neither`,
		"activated = true\n[[execgroup]]\nmode = \"blacklist\"\ndirpath = \"x\"":                     "not absolute",
		"activated = true\n[[execgroup]]\nmode = \"blacklist\"\n[[execgroup]]\nmode = \"blacklist\"": "ecl.toml:4:1: another execgroup",
	} {
		if f, err := ParseECL("ecl.toml", []byte(text)); f != nil || err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
			t.Errorf("%q: %v, hint %q; want %q", text, err, hint.Of(err), want)
		}
	}
}
