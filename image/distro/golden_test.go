package distro

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sealift/sealift/buildcfg/hint"
)

var update = flag.Bool("update", false, "rewrite what is expected in testdata")

// TestGolden runs testdata/*.txtar. The comment of such an archive describes the
// host, and so do its files "host/…", which are the host's own. Every other file
// is a case: a request in lines, followed by a file ".want" of the same name.
//
//	tool PATH       a program of the host
//	env NAME=VALUE  of the caller
//	agent NAME, arch NAME
//	KEYWORD: VALUE  of the header; \n is a line break
//	without PATH    a file or tool that this host lacks
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no test cases", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := runArchive(t, archive)
		old := txtar.Format(archive)
		switch text := txtar.Format(got); {
		case bytes.Equal(text, old):
		case *update:
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s: got\n%s", file, text)
		}
	}
}

func runArchive(t *testing.T, archive *txtar.Archive) *txtar.Archive {
	t.Helper()
	out := &txtar.Archive{Comment: archive.Comment}
	hostFiles := fstest.MapFS{}
	for _, f := range archive.Files {
		if name, ok := strings.CutPrefix(f.Name, "host/"); ok {
			hostFiles[name] = &fstest.MapFile{Data: f.Data, Mode: 0o644}
			out.Files = append(out.Files, f)
		}
	}
	for _, f := range archive.Files {
		if strings.HasPrefix(f.Name, "host/") || strings.HasSuffix(f.Name, ".want") {
			continue
		}
		want := describe(compute(t, hostFiles, string(archive.Comment)+string(f.Data)))
		out.Files = append(out.Files, f, txtar.File{Name: f.Name + ".want", Data: []byte(want)})
	}
	return out
}

// compute does what the lines of a case say.
func compute(t *testing.T, shared fstest.MapFS, lines string) (*Bootstrap, error) {
	t.Helper()
	files := fstest.MapFS{}
	for name, f := range shared {
		files[name] = f
	}
	r := Request{Arch: "amd64", Keywords: map[string]string{}, Root: "/build/root", Dir: "/build/files"}
	h := Host{Files: files, Environ: []string{"PATH=/usr/local/bin:/usr/bin:relative"}}
	for line := range strings.Lines(lines) {
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "" || word == "#":
		case strings.HasSuffix(word, ":"):
			r.Keywords[strings.ToLower(strings.TrimSuffix(word, ":"))] = strings.ReplaceAll(rest, `\n`, "\n")
		case word == "tool":
			files[relative(rest)] = &fstest.MapFile{Mode: 0o755}
		case word == "without":
			delete(files, relative(rest))
		case word == "env":
			h.Environ = append(h.Environ, rest)
		case word == "agent":
			r.Agent = rest
		case word == "arch":
			r.Arch = rest
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
	return Compute(r, h)
}

// describe prints everything but the environment.
func describe(b *Bootstrap, err error) string {
	var s strings.Builder
	if err != nil {
		return fmt.Sprintf("error: %v\nhint: %s\n", err, hint.Of(err))
	}
	for _, n := range b.Notes {
		fmt.Fprintf(&s, "note: %s\n", n)
	}
	for _, d := range b.Downloads {
		fmt.Fprintf(&s, "download %s: %s\n", d.Name, d.URL)
	}
	for _, f := range b.Files {
		fmt.Fprintf(&s, "file %s:\n", f.Name)
		for line := range strings.Lines(f.Text) {
			fmt.Fprintf(&s, "| %s", line)
		}
	}
	return s.String() + b.Script()
}

func TestEnvironment(t *testing.T) {
	h := Host{Files: fstest.MapFS{"opt/bin/debootstrap": {Mode: 0o755}, "bin/debootstrap": {Mode: fs.ModeDir | 0o755}, "usr/bin/debootstrap": {Mode: 0o644}},
		Environ: []string{"PATH=/first", "SECRET=1", "https_proxy=http://p:1", "NO_PROXY=x", "PATH=/opt/bin:bin::/usr/bin", "LC_ALL=de"}}
	b, err := Compute(Request{Agent: "debootstrap", Arch: "arm64", Root: "/r/", Dir: "/d/.",
		Keywords: map[string]string{"osversion": "trixie", "mirrorurl": "http://m/"}}, h)
	if err != nil {
		t.Fatal(err)
	}
	want := "PATH=/opt/bin:/usr/bin:/usr/local/sbin:/usr/sbin:/sbin:/bin HOME=/d TMPDIR=/d LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive https_proxy=http://p:1 NO_PROXY=x"
	if got := strings.Join(b.Env, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := b.Commands[0].Args; got[0] != "/opt/bin/debootstrap" || got[2] != "--arch=arm64" || got[len(got)-2] != "/r" {
		t.Errorf("%q", got)
	}
}

func TestScriptQuotes(t *testing.T) {
	b := Bootstrap{Commands: []Command{{Args: []string{"a", "", "b c", "it's", "$HOME", "é"}}, {Args: []string{"d"}, Accept: 7}}}
	want := "set -e\na '' 'b c' 'it'\\''s' '$HOME' 'é'\nd || [ $? -eq 7 ]\n"
	if got := b.Script(); got != want {
		t.Errorf("%s", got)
	}
}

func TestComputeFails(t *testing.T) {
	good := Request{Agent: "busybox", Arch: "amd64", Root: "/r", Dir: "/d", Keywords: map[string]string{"mirrorurl": "https://m/busybox"}}
	for name, change := range map[string]func(*Request){
		"relative root": func(r *Request) { r.Root = "r" },
		"no directory":  func(r *Request) { r.Dir = "" },
		"other agent":   func(r *Request) { r.Agent = "docker" },
		"no keywords":   func(r *Request) { r.Keywords = nil },
	} {
		r := good
		change(&r)
		if _, err := Compute(r, Host{Files: fstest.MapFS{}}); err == nil || hint.Of(err) == "" {
			t.Errorf("%s: %v, hint %q", name, err, hint.Of(err))
		}
	}
	for _, agent := range Agents() {
		r := good
		r.Agent = agent
		if _, err := Compute(r, Host{Files: fstest.MapFS{}}); err != nil && hint.Of(err) == "" {
			t.Errorf("%s: %v without a hint", agent, err)
		}
	}
}
