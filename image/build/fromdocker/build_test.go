package fromdocker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/dockerfile"
	"github.com/sealift/sealift/image/dockerfile/steps"
)

func TestSteps(t *testing.T) {
	s := newSite(t)
	got, err := s.steps(t, "FROM debian:12 AS one\nWORKDIR /a\nRUN make \\\n  all\nFROM scratch\nFROM one\n"+
		"COPY --from=oci:tools /t /t\nCOPY --from=oci:tools /u /u\nENV A=b\n", build.Options{Output: "x.sif", Profile: "true"})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, x := range got {
		lines = append(lines, x.Name()+" | "+x.String())
	}
	want := strings.ReplaceAll(`create | create x.sif
one:from | stage one: start from docker://index.docker.io/library/debian:12 for linux/amd64 (line 1)
one:workdir | stage one: WORKDIR /a (line 2)
one:run | stage one: RUN make ... (line 3)
from | stage 2: start from stage one (line 6)
oci:tools:base | stage oci:tools: start from oci:@/tools for linux/amd64 (line 7)
copy | stage 2: COPY --from=oci:tools /t /t (line 7)
copy | stage 2: COPY --from=oci:tools /u /u (line 8)
env | stage 2: ENV A=b (line 9)
metadata | stage 2: write metadata
profile | stage 2: profile true
image | stage 2: write the image
commit | commit x.sif`, "@", s.dir)
	if strings.Join(lines, "\n") != want {
		t.Errorf("got\n%s", strings.Join(lines, "\n"))
	}
}

func TestAgent(t *testing.T) {
	for name, want := range map[string]string{
		"debian:12": "docker debian:12", "docker:24": "docker docker:24", "docker://a/b": "docker //a/b", "oci:dir:tag": "oci dir:tag",
		"./x": "localimage ./x", "/x": "localimage /x", "../x": "localimage ../x", "x.sif": "localimage x.sif",
		"docker-archive:x.tar": "docker-archive x.tar", "localhost:5000/x": "docker localhost:5000/x",
		"docker-daemon:app:1": "docker-daemon app:1", "oras://h/x": "oras //h/x", "library:x": "docker library:x",
	} {
		if agent, from := agent(name); agent+" "+from != want {
			t.Errorf("%s is %s %s; want %s", name, agent, from, want)
		}
	}
}

func TestComputeRefuses(t *testing.T) {
	s := newSite(t)
	if _, err := s.steps(t, "FROM scratch\n", build.Options{}); err == nil {
		t.Error("no output is accepted")
	}
	if _, err := s.steps(t, "FROM scratch\n", build.Options{Output: "x", Profile: "x", Sandbox: true}); hint.Of(err) == "" {
		t.Errorf("a profile of a directory: %v", err)
	}
	s.env.Host.Foreign = errors.New("no emulator")
	for _, text := range []string{"FROM scratch\nRUN x\n", "FROM a AS b\nFROM b\nRUN x\n"} {
		if _, err := s.steps(t, text, build.Options{Output: "x"}); !errors.Is(err, s.env.Host.Foreign) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestConfig builds on an image that demands something.
func TestConfig(t *testing.T) {
	s := newSite(t)
	s.base(t, map[string]any{
		"Env": []string{"PATH=/app:/bin", "A=1"}, "Entrypoint": []string{"/app/run"}, "Cmd": []string{"x"}, "Labels": map[string]string{"from": "base"},
		"WorkingDir": "/work", "OnBuild": []string{"RUN first", "COPY f ."}, "User": "7",
	}, "app/", "", "app/run", "x")
	s.write(t, "f", "text")
	root := s.root(t, "FROM docker-archive:base.tar\nENV A=2 B=$A\nLABEL l=v\nCMD [\"y\"]\nEXPOSE 80\nHEALTHCHECK NONE\nONBUILD RUN later\n")
	if got := list(t, root, "work"); got != ". 755 7:0\nf 644 0:0 text" {
		t.Errorf("/work:\n%s", got)
	}
	if len(s.runs) != 1 || !slices.Equal(s.runs[0].Args, []string{"/bin/sh", "-c", "first"}) || s.runs[0].User == nil || s.runs[0].User.UID != 7 {
		t.Errorf("ran %+v", s.runs)
	}
	f := s.open(t)
	raw, err := f.OCIConfig()
	if err != nil {
		t.Fatal(err)
	}
	var c steps.Config
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	if strings.Join(c.Env, " ") != "PATH=/app:/bin A=2 B=1" || c.Labels["l"] != "v" || c.Labels["from"] != "base" || c.Cmd[0] != "y" ||
		c.Entrypoint[0] != "/app/run" || c.OnBuild[0] != "RUN later" || c.WorkingDir != "/work" || c.User != "7" || len(c.ExposedPorts) != 1 {
		t.Errorf("configuration %s", raw)
	}
	for name, want := range map[string]string{
		"env/10-docker2singularity.sh": "export A='2'\nexport B='1'\n", "runscript": "exec '/app/run' \"$@\"", "labels.json": `"l": "v"`,
		"Singularity": "FROM docker-archive:base.tar",
	} {
		if b, err := image.ReadFile(f.FS(), ".singularity.d/"+name, 1<<20); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s, %v:\n%s", name, err, b)
		}
	}
}

// TestLocalBase keeps the runscript of an image that was built of no OCI image.
func TestLocalBase(t *testing.T) {
	s := newSite(t)
	s.write(t, "root/.singularity.d/runscript", "#!/bin/sh\nmine")
	root := s.root(t, "FROM ./root AS a\nFROM a\nENV A=1\n")
	if got := list(t, root, ".singularity.d/runscript"); !strings.Contains(got, "mine") {
		t.Errorf("runscript: %s", got)
	}
	root = s.root(t, "FROM ./root\nCMD x\n")
	if got := list(t, root, ".singularity.d/runscript"); strings.Contains(got, "mine") {
		t.Errorf("runscript: %s", got)
	}
}

// TestRun looks at what the Runner is asked for.
func TestRun(t *testing.T) {
	s := newSite(t)
	s.env.Host.Environ = []string{"http_proxy=http://p", "TERM=dumb", "SECRET=x"}
	s.args = map[string]string{"V": "1", "HTTPS_PROXY": "http://q"}
	s.script = func(x build.Exec) error {
		return os.WriteFile(filepath.Join(x.Upper, "out"), []byte("made"), 0o600)
	}
	root := s.root(t, "FROM scratch\nCOPY <<EOF /etc/passwd\napp:x:3:4::/home/app:/bin/sh\nEOF\nARG V\nWORKDIR /w\nSHELL [\"/bin/bash\", \"-ec\"]\n"+
		"RUN a b\nUSER app:9\nRUN --network=none [\"c\"]\nRUN <<EOF\n#!/bin/x\nbody\nEOF\n")
	if len(s.runs) != 3 {
		t.Fatalf("%d programs ran", len(s.runs))
	}
	first, second, third := s.runs[0], s.runs[1], s.runs[2]
	if !slices.Equal(first.Args, []string{"/bin/bash", "-ec", "a b"}) || first.Dir != "/w" || first.User != nil || !first.Bare || first.NoNetwork {
		t.Errorf("first: %+v", first)
	}
	for _, kv := range []string{"V=1", "HOME=/root", "http_proxy=http://p", "https_proxy=http://q", "TERM=dumb"} {
		if !slices.Contains(first.Env, kv) {
			t.Errorf("no %s in %q", kv, first.Env)
		}
	}
	if slices.ContainsFunc(first.Env, func(kv string) bool { return strings.HasPrefix(kv, "SECRET") }) {
		t.Errorf("the caller's variables leak: %q", first.Env)
	}
	if u := second.User; u == nil || u.UID != 3 || u.GID != 9 || !second.NoNetwork || !slices.Contains(second.Env, "HOME=/home/app") {
		t.Errorf("second: %+v, user %+v", second, u)
	}
	if !slices.Equal(third.Args, []string{"/" + build.ScriptName}) {
		t.Errorf("third: %q", third.Args)
	}
	if got := list(t, root, "out"); !strings.HasSuffix(got, " made") {
		t.Errorf("out: %s", got)
	}
	if _, err := root.Lookup(build.ScriptName); err == nil {
		t.Error("the script is in the image")
	}
}

func TestMounts(t *testing.T) {
	s := newSite(t)
	s.write(t, "in/f", "text")
	s.write(t, "in/ignored", "text")
	s.input.Context.Keep = func(path string, _ bool) bool { return path != "in/ignored" }
	s.input.Secrets = map[string]func() ([]byte, error){"s": func() ([]byte, error) { return []byte("secret"), nil }}
	seen := map[string]string{}
	s.script = func(x build.Exec) error {
		for _, m := range x.Mounts {
			if m.Source == "" {
				seen[m.Target] = fmt.Sprintf("tmpfs %d", m.Size)
				continue
			}
			err := filepath.WalkDir(m.Source, func(name string, d os.DirEntry, err error) error {
				if err == nil && d.Type().IsRegular() {
					text, err := os.ReadFile(name)
					seen[m.Target+strings.TrimPrefix(name, m.Source)] = string(text)
					return err
				}
				return err
			})
			if err != nil {
				return err
			}
			if m.Target == "/cache" {
				if err := os.WriteFile(filepath.Join(m.Source, "kept"), []byte("kept"), 0o600); err != nil {
					return err
				}
			}
		}
		return nil
	}
	text := "FROM scratch AS a\nCOPY in /s\nFROM scratch\nRUN --mount=source=in,target=/ctx --mount=from=a,source=/s/f,target=/one" +
		" --mount=type=tmpfs,target=/t,size=1k --mount=type=secret,id=s --mount=type=secret,id=s,env=S --mount=type=secret,id=none --mount=type=cache,target=/cache x\n" +
		"RUN --mount=type=cache,target=/cache y\n"
	s.root(t, text)
	want := map[string]string{"/ctx/f": "text", "/one": "text", "/t": "tmpfs 1024", "/run/secrets/s": "secret", "/cache/kept": "kept"}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("seen %v; want %v", seen, want)
	}
	if !slices.Contains(s.runs[0].Env, "S=secret") || len(s.runs[0].Mounts) != 5 {
		t.Errorf("%+v", s.runs[0])
	}
	err := s.build(t, "FROM scratch\nRUN --mount=type=secret,id=none,required x\n")
	if err == nil || !strings.Contains(hint.Of(err), "--secret id=none") {
		t.Errorf("a secret that is required: %v", err)
	}
	if err := s.build(t, "FROM scratch\nRUN --mount=source=none,target=/x x\n"); err == nil || !strings.HasPrefix(err.Error(), "Dockerfile:2: ") {
		t.Errorf("a source that is missing: %v", err)
	}
}

// TestCache: what an instruction depends on, and what not.
func TestCache(t *testing.T) {
	s := newSite(t)
	s.keep(t)
	s.write(t, "f", "1")
	s.input.Secrets = map[string]func() ([]byte, error){"s": func() ([]byte, error) { return []byte("1"), nil }}
	text := "FROM scratch\nARG V=1\nCOPY f /\nRUN --mount=type=secret,id=s --mount=type=cache,target=/c x\nWORKDIR /w\nUSER 5\nRUN y\n"
	cached := func(text string) string {
		t.Helper()
		if err := s.build(t, text); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(strings.Count(strings.Join(s.log, "\n"), "cached "), len(s.runs))
	}
	for _, c := range []struct {
		what   string
		change func()
		text   string
		want   string
	}{
		{"nothing", func() {}, text, "0 2"},
		{"again", func() {}, text, "5 0"},
		{"proxies, the terminal and secrets", func() {
			s.env.Host.Environ = []string{"http_proxy=1", "TERM=x"}
			s.args = map[string]string{"https_proxy": "2"}
			s.input.Secrets["s"] = func() ([]byte, error) { return []byte("2"), nil }
		}, text, "5 0"},
		{"an argument", func() { s.args = map[string]string{"V": "2"} }, text, "2 2"},
		{"the user", func() { s.args = nil }, strings.Replace(text, "USER 5", "USER 6", 1), "4 1"},
		{"the shell", func() {}, strings.Replace(text, "RUN y", "SHELL [\"z\"]\nRUN y", 1), "4 1"},
		{"the network", func() {}, strings.Replace(text, "RUN y", "RUN --network=none y", 1), "4 1"},
		{"a label", func() {}, text + "LABEL a=b\n", "5 0"},
		{"a file", func() { s.write(t, "f", "2") }, text, "1 2"},
	} {
		c.change()
		if got := cached(c.text); got != c.want {
			t.Errorf("%s: layers from the cache and programs run %s; want %s (%q)", c.what, got, c.want, s.log)
		}
	}
}

// TestFailures: the line is told, and nothing is left.
func TestFailures(t *testing.T) {
	s := newSite(t)
	s.base(t, map[string]any{"OnBuild": []string{"RUN x"}})
	s.script = func(build.Exec) error { return errors.New("status 3") }
	for text, want := range map[string]string{
		"FROM scratch\n\nRUN x\n":                            "Dockerfile:3: RUN x: status 3",
		"FROM docker-archive:base.tar\n":                     "ONBUILD RUN x of the base image: Dockerfile:1: RUN x: status 3",
		"FROM scratch\nUSER none\nRUN x\n":                   `Dockerfile:3: RUN x: no user "none" in /etc/passwd of the stage`,
		"FROM oci:none\n":                                    "Dockerfile:1: stage 1: ",
		"FROM scratch\nCOPY --from=oci:none / /\n":           "Dockerfile:2: stage oci:none: ",
		"FROM scratch\nCOPY none /\n":                        "Dockerfile:2: COPY none /: none: no such file in the context",
		"FROM scratch\nCOPY --chown=none:0 base.tar /\n":     `Dockerfile:2: `,
		"FROM scratch\nADD http://h/f /\n":                   "Dockerfile:2: ADD http://h/f /: http://h/f: the network cannot be used here",
		"FROM scratch AS a\nFROM scratch\nCOPY --from=a x .": "Dockerfile:3: COPY --from=a x .: x: no such file in stage 0",
	} {
		err := s.build(t, text)
		var placed *dockerfile.Error
		if err == nil || !strings.HasPrefix(err.Error(), want) || !errors.As(err, &placed) {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestFetch(t *testing.T) {
	s := newSite(t)
	s.keep(t)
	fetched := 0
	s.env.Get = func(_ context.Context, url string) (io.ReadCloser, time.Time, error) {
		fetched++
		if strings.HasSuffix(url, "/tar") {
			return io.NopCloser(strings.NewReader(string(compressed(t, archived(t, "in", "side"))))), time.Time{}, nil
		}
		return io.NopCloser(strings.NewReader("text")), time.Unix(1000, 0), nil
	}
	const sum = "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1"
	text := "FROM scratch\nADD --checksum=sha256:" + sum + " http://h/a/f?q /d/\nADD --unpack=true http://h/tar /u/\nADD http://h/tar /\n" +
		"ADD --unpack=true --checksum=sha256:" + sum + " http://h/a/f /n/\n"
	root := s.root(t, text)
	if got := list(t, root, "d"); got != ". 755 0:0\nf 600 0:0 text" {
		t.Errorf("/d:\n%s", got)
	}
	if got := list(t, root, "u"); got != ". 755 0:0\nin 640 5:6 side" {
		t.Errorf("/u:\n%s", got)
	}
	if got := list(t, root, "n"); got != ". 755 0:0\nf 600 0:0 text" {
		t.Errorf("a file that is no archive:\n%s", got)
	}
	if n, err := root.Lookup("d/f"); err != nil || n.ModTime != 1000 {
		t.Errorf("time of d/f: %+v, %v", n, err)
	}
	if n, err := root.Lookup("tar"); err != nil || n.Size() == 0 {
		t.Errorf("an archive that is not to be unpacked: %+v, %v", n, err)
	}
	if fetched = 0; s.build(t, text) != nil || fetched != 2 {
		t.Errorf("fetched %d times; one is known by its checksum", fetched)
	}
	for text, want := range map[string]string{
		"ADD --checksum=sha256:" + strings.Repeat("0", 64) + " http://h/f /": "has the checksum sha256:" + sum,
		"ADD --checksum=md5:00 http://h/f /":                                 "expected sha256",
		"ADD http://h/ /":                                                    "names no file",
	} {
		if err := s.build(t, "FROM scratch\n"+text+"\n"); err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
			t.Errorf("%s: %v", text, err)
		}
	}
	s.env.Get = func(context.Context, string) (io.ReadCloser, time.Time, error) {
		return nil, time.Time{}, io.ErrUnexpectedEOF
	}
	if err := s.build(t, "FROM scratch\nADD http://h/x /\n"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a server that fails: %v", err)
	}
}
