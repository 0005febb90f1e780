package fromdocker

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build"
)

// TestOutcomesCount: what a program leaves is not the same each time, and what
// was made over one outcome is not laid over another.
func TestOutcomesCount(t *testing.T) {
	s := newSite(t)
	s.keep(t)
	version := 1
	s.script = func(x build.Exec) error {
		words := strings.Join(x.Args, " ")
		if strings.HasSuffix(words, "nothing") {
			return nil
		}
		return os.WriteFile(x.Upper+"/"+words[len(words)-1:], fmt.Appendf(nil, "%s of version %d", words, version), 0o644)
	}
	ran := func() string {
		var words []string
		for _, x := range s.runs {
			words = append(words, x.Args[len(x.Args)-1])
		}
		return strings.Join(words, ",")
	}
	const one, two = "FROM scratch\nRUN a\nRUN b\n", "FROM scratch\nRUN a\nRUN c\n"
	for _, text := range []string{one, one} {
		if err := s.build(t, text); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.runs) > 0 {
		t.Errorf("ran again: %s", ran())
	}
	// Another build makes the layer that both have anew.
	version = 2
	o := build.Options{Output: "out.sif", Force: true, NoCache: true}
	steps, err := s.steps(t, two, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := build.Run(t.Context(), steps, o, s.env); err != nil {
		t.Fatal(err)
	}
	root := s.root(t, one)
	if ran() != "b" {
		t.Errorf("ran %s; want what comes after the other outcome", ran())
	}
	for name, want := range map[string]string{"a": "version 2", "b": "version 2"} {
		n, err := root.Lookup(name)
		if err != nil || !strings.HasSuffix(textOf(t, n), want) {
			t.Errorf("%s: %v, %v", name, n, err)
		}
	}
	// Programs that change nothing have an outcome as well.
	for range 2 {
		if err := s.build(t, "FROM scratch\nRUN nothing\nRUN a\n"); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.runs) > 0 {
		t.Errorf("ran again: %s", ran())
	}
}

// TestTheOutputIsNotCopied: neither the one from before nor what is kept of a
// failure gets into the image.
func TestTheOutputIsNotCopied(t *testing.T) {
	s := newSite(t)
	s.keep(t)
	s.write(t, "a", "a")
	const text = "FROM scratch\nCOPY . /all\n"
	for i := range 3 {
		if got := list(t, s.root(t, text), "all"); got != ". 755 0:0\na 644 0:0 a" {
			t.Errorf("build %d:\n%s", i, got)
		}
	}
	if !strings.Contains(strings.Join(s.log, "\n"), "cached copy") {
		t.Errorf("told %q", s.log)
	}
	o := build.Options{Output: "out.sif", Force: true, KeepOnError: "failed"}
	steps, err := s.steps(t, text, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := build.Run(t.Context(), steps, o, s.env); err != nil {
		t.Fatal(err)
	}
	root, err := s.open(t).Squash().Tree()
	if err != nil {
		t.Fatal(err)
	}
	if got := list(t, root, "all"); got != ". 755 0:0\na 644 0:0 a" {
		t.Errorf("with a directory for failures:\n%s", got)
	}
}

// TestThePlatformOfTheLastStage is the image's.
func TestThePlatformOfTheLastStage(t *testing.T) {
	s := newSite(t)
	s.write(t, "base/file", "text")
	if err := s.build(t, "FROM --platform=linux/arm64 ./base\nENV A=b\n"); err != nil {
		t.Fatal(err)
	}
	if got := s.open(t).Arch(); got != "arm64" {
		t.Errorf("the image is for %s", got)
	}
	if err := s.build(t, "FROM --platform=linux/arm64 ./base\nRUN a\n"); err == nil || !strings.Contains(hint.Of(err), "--arch arm64") {
		t.Errorf("a program of another architecture: %v", err)
	}
	s.env.Host.Foreign = errors.New("no emulator")
	if err := s.build(t, "FROM scratch\nRUN a\n"); err == nil || !strings.Contains(err.Error(), "no emulator") {
		t.Errorf("a program that does not run: %v", err)
	}
}

func TestPatternBelowALink(t *testing.T) {
	s := newSite(t)
	s.write(t, "real/a.cfg", "a")
	if err := os.Symlink("real", s.path("conf")); err != nil {
		t.Fatal(err)
	}
	if got := list(t, s.root(t, "FROM scratch\nCOPY conf/*.cfg /cfg/\n"), "cfg"); got != ". 755 0:0\na.cfg 644 0:0 a" {
		t.Error(got)
	}
}

// TestSecretsBeatVariables of the same name.
func TestSecretsBeatVariables(t *testing.T) {
	s := newSite(t)
	s.input.Secrets = map[string]func() ([]byte, error){"s": func() ([]byte, error) { return []byte("secret"), nil }}
	if err := s.build(t, "FROM scratch\nENV TOKEN=unset\nRUN --mount=type=secret,id=s,env=TOKEN a\n"); err != nil {
		t.Fatal(err)
	}
	if env := strings.Join(s.runs[0].Env, " "); !strings.Contains(env, "TOKEN=secret") || strings.Contains(env, "unset") {
		t.Errorf("environment %s", env)
	}
}
