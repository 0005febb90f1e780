package dockerfile

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/dockerfile/steps"
)

var update = flag.Bool("update", false, "rewrite the expected recipes in testdata")

// TestRecipes runs testdata/*.txtar. Such an archive holds cases: "NAME" is a
// Dockerfile, in front of which lines "> KEY VALUE" give the options of
// parseOptions; "NAME.want" is the printed recipe, or the error and its hint.
func TestRecipes(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no test cases", err)
	}
	total := 0
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		total += runArchive(t, file, archive)
	}
	if total < 100 {
		t.Errorf("only %d cases", total)
	}
}

func runArchive(t *testing.T, file string, archive *txtar.Archive) int {
	out := &txtar.Archive{Comment: archive.Comment}
	cases := 0
	for i, f := range archive.Files {
		if strings.HasSuffix(f.Name, ".want") {
			continue
		}
		cases++
		var got, want string
		if i+1 < len(archive.Files) && archive.Files[i+1].Name == f.Name+".want" {
			want = string(archive.Files[i+1].Data)
		}
		t.Run(filepath.Base(file)+"/"+f.Name, func(t *testing.T) {
			if got = runCase(t, string(f.Data)); got != want && !*update {
				t.Errorf("%s\ngot:\n%s\nwant:\n%s", f.Data, got, want)
			}
		})
		out.Files = append(out.Files, f, txtar.File{Name: f.Name + ".want", Data: []byte(got)})
	}
	if text := txtar.Format(out); *update && !bytes.Equal(text, txtar.Format(archive)) {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return cases
}

// testCase is what the lines "> KEY VALUE" set.
type testCase struct {
	opt Options
	// base is the configuration of every base image; fold asks for the steps
	// as State.Next gives them.
	base steps.Config
	fold bool
}

// parseOptions reads "> arg NAME=VALUE", "> target STAGE", "> platform P",
// "> build P" and "> base JSON", which folds the steps, from the head of text.
func parseOptions(t *testing.T, text string) (testCase, string) {
	amd64 := v1.Platform{OS: "linux", Architecture: "amd64"}
	c := testCase{opt: Options{Args: map[string]string{}, Platform: amd64, Build: amd64}}
	for strings.HasPrefix(text, "> ") {
		line, rest, _ := strings.Cut(text, "\n")
		key, value, _ := strings.Cut(line[2:], " ")
		text = rest
		var err error
		switch key {
		case "arg":
			name, given, _ := strings.Cut(value, "=")
			c.opt.Args[name] = given
		case "target":
			c.opt.Target = value
		case "platform":
			c.opt.Platform, err = parsePlatform(value, amd64)
		case "build":
			c.opt.Build, err = parsePlatform(value, amd64)
		case "base":
			c.fold, err = true, json.Unmarshal([]byte(value), &c.base)
		default:
			t.Fatalf("unknown option %q", key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return c, text
}

func runCase(t *testing.T, text string) string {
	c, text := parseOptions(t, text)
	recipe, err := Parse("Dockerfile", []byte(text), c.opt)
	if err != nil {
		return printError(err)
	}
	if !c.fold {
		return recipe.String()
	}
	var b strings.Builder
	if err := fold(&b, recipe, c.base); err != nil {
		b.WriteString(printError(err))
	}
	return b.String()
}

func printError(err error) string {
	return fmt.Sprintf("error: %v\nhint: %s\n", err, hint.Of(err))
}

// fold prints what a builder would do.
func fold(b *strings.Builder, r *Recipe, base steps.Config) error {
	ends := map[int]*steps.State{}
	for i := range r.Stages {
		stage := &r.Stages[i]
		fmt.Fprintf(b, "stage %d\n", stage.Number)
		var state *steps.State
		all := stage.Steps
		switch stage.Base.Kind {
		case steps.OfStage:
			state = ends[stage.Base.Stage].Derive()
		case steps.OfImage:
			state = r.Begin(base)
			triggers, err := r.Triggers(stage, base.OnBuild)
			if err != nil {
				return err
			}
			all = append(triggers, all...)
		default:
			state = r.Begin(steps.Config{})
		}
		for _, step := range all {
			next, err := state.Next(step)
			if err != nil {
				return err
			}
			fmt.Fprintf(b, "  %s\n", next)
		}
		ends[stage.Number] = state
		config, err := json.Marshal(state.Config)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "  environ %q\n  config %s\n", state.Environ(), config)
	}
	return nil
}
