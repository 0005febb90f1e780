package dockerfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/dockerfile/steps"
)

func options() Options {
	amd64 := v1.Platform{OS: "linux", Architecture: "amd64"}
	return Options{Platform: amd64, Build: amd64}
}

func mustParse(t *testing.T, text string) *Recipe {
	t.Helper()
	r, err := Parse("Dockerfile", []byte(text), options())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSourceIsExact(t *testing.T) {
	r := mustParse(t, "\ufeff# syntax=x\r\n  FROM  x   as y\r\n\r\nRUN a \\\r\n# c\r\n\r\n  b\r\nCOPY <<E /e\r\n 1\r\nE\r\nONBUILD RUN z\r\nFROM y")
	var got []string
	for _, stage := range r.Stages {
		got = append(got, stage.Source)
		for _, step := range stage.Steps {
			got = append(got, step.Source)
		}
	}
	want := []string{
		"  FROM  x   as y", "RUN a \\\n# c\n\n  b", "COPY <<E /e\n 1\nE", "ONBUILD RUN z",
		"FROM y", "ONBUILD RUN z",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestErrorsHavePlaces(t *testing.T) {
	_, err := Parse("my/Dockerfile", []byte("FROM x\n\nFOO\n"), options())
	var at *Error
	if !errors.As(err, &at) || at.Name != "my/Dockerfile" || at.Line != 3 || at.Err.Error() != "unknown instruction: FOO" {
		t.Errorf("%v: %+v", err, at)
	}
	r := mustParse(t, "FROM x\nLABEL a=${A:?}")
	_, err = r.Begin(steps.Config{}).Next(r.Stages[0].Steps[0])
	if !errors.As(err, &at) || at.Name != "Dockerfile" || at.Line != 2 || !strings.Contains(hint.Of(err), "LABEL NAME=VALUE") {
		t.Errorf("%v", err)
	}
}

func TestUsageHasEveryInstruction(t *testing.T) {
	for keyword, form := range usage {
		if keyword != "maintainer" && (!strings.HasPrefix(form, strings.ToUpper(keyword)+" ") || !strings.Contains(known, strings.ToUpper(keyword))) {
			t.Errorf("%s: %s", keyword, form)
		}
		if _, err := Parse("x", []byte("FROM x\n"+keyword+"\n"), options()); err == nil || strings.Contains(err.Error(), "unknown") {
			t.Errorf("%s: %v", keyword, err)
		} else if h := hint.Of(err); h != "write it as "+form {
			t.Errorf("%s: hint %q", keyword, h)
		}
	}
}

func TestTooLarge(t *testing.T) {
	onbuild := "FROM x AS a\n" + strings.Repeat("ONBUILD RUN a\n", 1000) + strings.Repeat("FROM a\n", 20) + "FROM x\n"
	for i := range 20 {
		onbuild += fmt.Sprintf("COPY --from=%d a b\n", 1+i)
	}
	for text, want := range map[string]string{
		strings.Repeat("#", MaxSize+1):                          "Dockerfile of 1048577 bytes; expected at most 1048576",
		"FROM x\n" + strings.Repeat("RUN a\n", maxInstructions): "10001 instructions; expected at most 10000",
		"FROM x\nRUN " + strings.Repeat("a", 1<<16):             "line greater than max allowed size",
		onbuild: "x:1012: more than 10000 steps",
	} {
		if _, err := Parse("x", []byte(text), options()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

// TestExpansionIsBounded gives a stage variables that double, and operators
// whose results are products.
func TestExpansionIsBounded(t *testing.T) {
	long := strings.Repeat("a", 60_000)
	for name, c := range map[string]struct{ text, want string }{
		"doubling":    {"ENV A=0123456789\n" + strings.Repeat("ENV A=$A$A\n", 40), "grow over"},
		"labels":      {"ENV A=" + long + "\n" + strings.Repeat("LABEL a=$A\n", 100), "grow over"},
		"args":        {"ARG A=" + long + "\nARG B=" + strings.Repeat("$A", 100), "grow over"},
		"here":        {"ENV A=" + long + "\nCOPY <<E /e\n" + strings.Repeat("$A\n", 100) + "E\n", "grow over"},
		"replacement": {"ENV A=" + long + "\nLABEL a=${A//a/$A}", "grow over"},
		"literal":     {"ENV A=" + long[:9000] + "\nLABEL a=${A//a/" + long + "}", "grow over"},
		"pattern":     {"ENV A=" + long[:9000] + "\nLABEL a=${A#" + strings.Repeat("*a", 20_000) + "}", "grow over"},
		"nested":      {"ENV A=" + long[:5000] + "\nLABEL a=${A//a/${A//a/$A}}", "several patterns"},
		"hidden":      {"ENV A=" + long[:5000] + "\nLABEL a=${A//a\\}/${A//a/$A}}", "several patterns"},
		"inner":       {"ENV A=" + long[:5000] + "\nLABEL a=${A//a/${A//a/b}}", "several patterns"},
		"both":        {"ENV A=" + long[:5000] + "\nLABEL a=${A#${A//a/$A}}", "several patterns"},
		"ports":       {strings.Repeat("EXPOSE 0-65535\n", 10), "more than 524288 ports"},
	} {
		t.Run(name, func(t *testing.T) {
			err := walk(t, "FROM x\n"+c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v; want %s", err, c.want)
			}
		})
	}
}

func TestGlobalExpansionIsBounded(t *testing.T) {
	text := "ARG A=0123456789\n" + strings.Repeat("ARG A=$A$A\n", 40) + "FROM $A\n"
	if _, err := Parse("x", []byte(text), options()); err == nil || !strings.Contains(err.Error(), "grow over") {
		t.Errorf("error %v", err)
	}
}

// walk folds a recipe of one stage to its first error.
func walk(t *testing.T, text string) error {
	t.Helper()
	r, err := Parse("Dockerfile", []byte(text), options())
	if err != nil {
		return err
	}
	state := r.Begin(steps.Config{})
	for _, step := range r.Stages[0].Steps {
		if _, err := state.Next(step); err != nil {
			return err
		}
	}
	return nil
}

// TestExpandIsPure expands steps with one environment and then with another:
// neither changes the steps or the other's result.
func TestExpandIsPure(t *testing.T) {
	r := mustParse(t, `FROM x
ENV A=$V B="$V"
ARG C=$V D=$C
COPY --chown=$V --exclude=$V $V <<E $V
$V
E
ADD $V $V
RUN --mount=type=cache,target=/$V --mount=type=tmpfs,target=/t echo $V
EXPOSE 1$V
VOLUME $V
LABEL $V=$V
WORKDIR $V
USER $V
STOPSIGNAL $V
`)
	before := r.String()
	for _, step := range r.Stages[0].Steps {
		one, err := step.Expand(map[string]string{"V": "1"})
		if err != nil {
			t.Fatal(err)
		}
		printed := one.String()
		two, err := step.Expand(map[string]string{"V": "2"})
		if err != nil {
			t.Fatal(err)
		}
		if one.String() != printed || two.String() == printed {
			t.Errorf("%s became %s and %s", printed, one, two)
		}
	}
	if after := r.String(); after != before {
		t.Errorf("the recipe became\n%s", after)
	}
}

func TestExpandWithoutVariables(t *testing.T) {
	r := mustParse(t, "FROM x\nARG A=${B:-b} C=$A\n")
	step, err := r.Stages[0].Steps[0].Expand(nil)
	if err != nil || step.String() != `2: arg A="b" C="b"` {
		t.Errorf("%s, %v", step, err)
	}
}

func TestStage(t *testing.T) {
	r := mustParse(t, "FROM a AS a\nFROM b\nFROM a\n")
	if r.Stage(0).Name != "a" || r.Stage(1) != nil || r.Stage(2).Base.Stage != 0 || r.Stage(3) != nil {
		t.Errorf("%+v", r.Stages)
	}
}

func TestParsePlatform(t *testing.T) {
	target := v1.Platform{OS: "linux", Architecture: "arm", Variant: "v6"}
	for text, want := range map[string]string{
		"linux/amd64": "linux/amd64", "Linux/AMD64": "linux/amd64", "linux": "linux/arm/v6", "arm64": "linux/arm64",
		"aarch64": "linux/arm64", "linux/arm64/v8": "linux/arm64", "armhf": "linux/arm/v7", "armel": "linux/arm/v6",
		"linux/arm/v5": "linux/arm/v5", "i386": "linux/386", "linux/riscv64": "linux/riscv64",
	} {
		if p, err := parsePlatform(text, target); err != nil || platform(p) != want {
			t.Errorf("%s: %s, %v", text, platform(p), err)
		}
	}
	for _, text := range []string{"", "/", "linux/", "a/b/c/d", "windows/amd64"} {
		if p, err := parsePlatform(text, target); err == nil {
			t.Errorf("%s: %+v", text, p)
		}
	}
}

func TestModes(t *testing.T) {
	for _, good := range []string{"0", "644", "0755", "7777", "000755", "u=rwX,go=rX", "+x", "a-w", "ug+s,o-t", "g=u"} {
		if !mode().MatchString(good) {
			t.Errorf("%s refused", good)
		}
	}
	for _, bad := range []string{"8", "10000", "77777", "rwx", "u=q", "u+x,", "x+u", "0x1"} {
		if mode().MatchString(bad) {
			t.Errorf("%s accepted", bad)
		}
	}
}

func TestGitSources(t *testing.T) {
	for source, want := range map[string]bool{
		"git@h:a/b": true, "git://h/a": true, "ssh://h/a": true, "https://h/a.git": true, "http://h/a.git#b:c": true,
		"https://h/a.git?x=y": true, "https://h/a": false, "https://h/a.git/b": false, "a.git": false, "github.com/a/b": false,
	} {
		if isGit(source) != want {
			t.Errorf("%s: %t", source, !want)
		}
	}
}
