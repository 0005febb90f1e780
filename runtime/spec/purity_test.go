package spec

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestNoMeansToAct looks at the imports of the packages that decide: none can
// reach the machine, the clock or chance.
func TestNoMeansToAct(t *testing.T) {
	forbidden := []string{"os", "os/exec", "os/user", "time", "net", "math/rand", "math/rand/v2", "golang.org/x/sys/unix", "unsafe", "path/filepath"}
	for _, dir := range []string{".", "../view", "../layout", "../mounts", "../identity", "../environ", "../bind", "../account", "../payload", "../shell", "../doctor",
		"../../gpu/plan", "../../gpu/request", "../../gpu/library", "../../gpu/ldcache", "../../gpu/files"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(dir, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range file.Imports {
				if p, err := strconv.Unquote(spec.Path.Value); err != nil || slices.Contains(forbidden, p) {
					t.Errorf("%s imports %s", name, spec.Path.Value)
				}
			}
		}
	}
}
