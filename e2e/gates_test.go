package e2e

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// gated are calls that lead astray where a path is another's to change, or where
// the environment says more than it should. Programs of the tests may make them.
var gated = map[string]string{
	"os.Chmod": "set modes through an open file", "os.Chown": "set owners through an open file", "os.Lchown": "set owners through an open file",
	"os.Chtimes": "set times through an open file", "os.RemoveAll": "removal by path belongs to image/output",
	"os.TempDir": "the place for temporary files is an argument", "exec.LookPath": "helpers have absolute paths",
	"os.Create": "it follows links and cuts what is there", "os.WriteFile": "it follows links and cuts what is there",
	"os.CreateTemp": "files belong to image/output", "os.MkdirTemp": "directories belong to image/output",
	"os.Truncate": "cut an open file", "http.Get": "requests belong to image/oci/wire",
}

// audited are the files that may make such a call, and why.
var audited = map[string]string{
	"cmd/sealift/manual/commands.go os.WriteFile":  "manual pages, in the directory that whoever installs them names",
	"image/oci/export/layout.go os.WriteFile":      "the last file of a layout, in a directory that was made for it and that nobody else may write to",
	"image/output/unnamed.go os.CreateTemp":        "where there are no files without names; the name goes at once",
	"runtime/doctor/probe/places.go os.CreateTemp": "finds whether files can be made; the name goes at once",
	"runtime/hostcmd/hostcmd.go os.WriteFile":      "a mount point, in a directory of mode 0700 that was just made",
}

// opens are the calls that make a file and say by themselves that no link is
// followed.
var opens = map[string]string{
	"image/cache/seen.go": "claim.Openat adds O_NOFOLLOW", "image/cache/claim/lock.go": "Openat adds O_NOFOLLOW",
	"starter/rootemu/open.go": "the payload's own call, done in its stead with its rights",
}

// unsafely are the packages that import unsafe, and why.
var unsafely = map[string]string{
	"starter/rootemu": "structures of the kernel's, as bytes for a process's memory", "starter/seccomp": "ioctl(2) of seccomp's notifications",
	"starter/enter": "system calls before the runtime of Go starts", "starter/talk": "the length of a message of the kernel's",
	"image/squashfs/codec": "buffers for libdeflate", "cmd/sealift/root": "what comes before main: the words of the process",
}

// TestGates holds the sources to what the audits of them found: new places that
// could be led astray are looked at, and listed with the reason why they cannot.
func TestGates(t *testing.T) {
	used := map[string]bool{}
	for _, name := range sources(t) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "e2e/") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			switch what := strings.Trim(spec.Path.Value, `"`); {
			case what == "unsafe" && unsafely[path.Dir(name)] == "":
				t.Errorf("%s imports unsafe", name)
			case what == "unsafe":
				used[path.Dir(name)] = true
			case what == "io/ioutil" || strings.HasPrefix(what, "golang.org/x/crypto/openpgp"):
				t.Errorf("%s imports %s, which is kept no longer", name, what)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				call := dotted(n)
				if why := gated[call]; why != "" && audited[name+" "+call] == "" {
					t.Errorf("%s uses %s: %s", name, call, why)
				}
				used[name+" "+call] = true
			case *ast.CallExpr:
				if creates(n) && opens[name] == "" {
					t.Errorf("%s makes a file where a link may lead: add O_EXCL or O_NOFOLLOW", name)
				}
				used[name] = used[name] || creates(n)
			}
			return true
		})
	}
	for _, list := range []map[string]string{audited, opens, unsafely} {
		for what := range list {
			if !used[what] {
				t.Errorf("%s is listed, and not there", what)
			}
		}
	}
}

// TestFuzzTargets: each kind of input that others make has a target of its number.
func TestFuzzTargets(t *testing.T) {
	found := map[string]bool{}
	numbered := regexp.MustCompile(`(?m)^// Fuzz\w+ \((F\d+)\)`)
	for _, name := range sources(t) {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range numbered.FindAllSubmatch(text, -1) {
			found[string(m[1])] = found[string(m[1])] || strings.HasSuffix(name, "_test.go")
		}
	}
	for n := range 16 {
		if number := fmt.Sprintf("F%d", n+1); !found[number] {
			t.Errorf("there is no fuzz target %s", number)
		}
	}
}

// dotted is what a selector of a package's name looks like.
func dotted(n *ast.SelectorExpr) string {
	if x, ok := n.X.(*ast.Ident); ok {
		return x.Name + "." + n.Sel.Name
	}
	return ""
}

// creates tells whether a call opens a file that may not be there, by flags that
// let it follow a link.
func creates(call *ast.CallExpr) bool {
	makes, safe := false, false
	for _, arg := range call.Args {
		ast.Inspect(arg, func(n ast.Node) bool {
			if _, nested := n.(*ast.CallExpr); nested {
				return false
			}
			if sel, ok := n.(*ast.SelectorExpr); ok {
				switch sel.Sel.Name {
				case "O_CREATE", "O_CREAT":
					makes = true
				case "O_EXCL", "O_NOFOLLOW", "O_TMPFILE":
					safe = true
				}
			}
			return true
		})
	}
	return makes && !safe
}

// TestNothingOutdated: no program has a library of OpenPGP that nobody repairs.
func TestNothingOutdated(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./cmd/...", "./starter/...", "./gpu/helper")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 500 {
		t.Errorf("only %d packages", len(deps))
	}
	for _, dep := range deps {
		if strings.HasPrefix(dep, "golang.org/x/crypto/openpgp") {
			t.Errorf("%s is linked", dep)
		}
	}
}
