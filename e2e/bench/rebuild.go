package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/sealift/sealift/e2e/fixture"
)

// rescript changes the last line of a script over an image of a whole system,
// and builds again. The first build is done before, so that what can be kept
// is there.
func (w *writing) rescript() ([]author, error) {
	archive, err := fixture.LargeArchive(w.ctx, cache, 1)
	if err != nil {
		return nil, err
	}
	base := filepath.Join(w.work, "base.sif")
	if _, err := execute(w.build(w.programs[0], base, "zstd", "3", "oci-archive:"+archive)); err != nil {
		return nil, err
	}
	recipe, lines := filepath.Join(w.work, "rescript.def"), 0
	// change writes the recipe with another last line than before.
	change := func() error {
		lines++
		text := fmt.Sprintf("Bootstrap: localimage\nFrom: %s\n\n%%post\n    mkdir -p /opt/new\n    echo %d > /opt/new/line\n", base, lines)
		return os.WriteFile(recipe, []byte(text), 0o644)
	}
	if err := change(); err != nil {
		return nil, err
	}
	environ := append(os.Environ(), "SEALIFT_CACHEDIR="+filepath.Join(w.work, "cache"))
	var list []author
	for _, p := range w.programs {
		rebuild := func(out string, flags ...string) *exec.Cmd {
			args := append([]string{"build"}, flags...)
			cmd := exec.CommandContext(w.ctx, p.path, append(args, out, recipe)...)
			cmd.Env = environ
			return cmd
		}
		first := filepath.Join(w.work, "first.sif")
		if _, err := execute(rebuild(first)); err != nil {
			return nil, err
		}
		if err := os.Remove(first); err != nil {
			return nil, err
		}
		list = append(list,
			author{name: p.name + ", last line changed", before: change, write: func(out string) *exec.Cmd { return rebuild(out) }},
			author{name: p.name + ", nothing changed", write: func(out string) *exec.Cmd { return rebuild(out) }},
			author{name: p.name + ", --no-cache", before: change, write: func(out string) *exec.Cmd { return rebuild(out, "--no-cache") }})
	}
	if found("apptainer", "apptainer build") {
		list = append(list, author{name: "apptainer build", before: change, write: func(out string) *exec.Cmd {
			return exec.CommandContext(w.ctx, "apptainer", "build", out, recipe)
		}})
	}
	return list, nil
}
