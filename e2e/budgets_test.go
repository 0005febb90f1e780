package e2e

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The budgets of ARCHITECTURE.md, in lines.
const (
	maxFile     = 500
	maxFunction = 100
	maxPackage  = 1500
	longShare   = 0.03 // of the functions may exceed 60 lines
	testShare   = 0.8  // test lines per code line
)

// TestBudgets holds the sources to their budgets and to the habits that a
// parser can see.
func TestBudgets(t *testing.T) {
	packageLines := map[string]int{}
	var functions []int
	code, tests := 0, 0
	for _, name := range sources(t) {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Count(string(text), "\n")
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			tests += lines
			continue
		}
		code += lines
		packageLines[path.Dir(name)] += lines
		if lines > maxFile {
			t.Errorf("%s has %d lines; the limit is %d", name, lines, maxFile)
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				n := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1
				functions = append(functions, n)
				if n > maxFunction {
					t.Errorf("%s: %s has %d lines; the limit is %d", name, f.Name, n, maxFunction)
				}
				if f.Name.Name == "init" && f.Recv == nil {
					t.Errorf("%s has an init function", name)
				}
			}
		}
		if file.Name.Name != "main" {
			forbidden(t, name, file)
		}
	}
	for pkg, n := range packageLines {
		if n > maxPackage {
			t.Errorf("package %s has %d lines; the limit is %d", pkg, n, maxPackage)
		}
	}
	slices.Sort(functions)
	long := 0
	for _, n := range functions {
		if n > 60 {
			long++
		}
	}
	if m := functions[len(functions)/2]; m > 10 {
		t.Errorf("the median function has %d lines", m)
	}
	if share := float64(long) / float64(len(functions)); share > longShare {
		t.Errorf("%d of %d functions exceed 60 lines", long, len(functions))
	}
	if share := float64(tests) / float64(code); share < testShare {
		t.Errorf("%d test lines for %d code lines: %.2f", tests, code, share)
	}
	t.Logf("%d lines of code, %d of tests, %d functions, median %d", code, tests, len(functions), functions[len(functions)/2])
}

// forbidden reports calls that only commands may make.
func forbidden(t *testing.T, name string, file *ast.File) {
	t.Helper()
	switch name {
	case "cmd/sealift/ui/terminal.go", "cmd/sealift/root/root.go":
		return // all output and every exit; what a process is given
	}
	banned := map[string]string{
		"os.Exit": "only commands exit", "os.Getenv": "only commands read the environment",
		"os.LookupEnv": "only commands read the environment", "os.Environ": "only commands read the environment",
		"fmt.Print": "only commands print", "fmt.Printf": "only commands print", "fmt.Println": "only commands print",
		"log.Fatal": "only commands exit", "exec.LookPath": "helpers have absolute paths",
		"os.RemoveAll": "removal by path belongs to image/output", "os.Chmod": "set modes through an open file",
		"os.Chown": "set owners through an open file",
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if pkg, ok := sel.X.(*ast.Ident); ok {
				call := pkg.Name + "." + sel.Sel.Name
				fixture := strings.HasPrefix(name, "e2e/") || call == "os.RemoveAll" && strings.HasPrefix(name, "image/output/")
				if why, bad := banned[call]; bad && !fixture {
					t.Errorf("%s calls %s: %s", name, call, why)
				}
			}
		}
		return true
	})
}

// sources are the Go files and the test scripts of the module.
func sources(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir("..", func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "bin" {
			return filepath.SkipDir
		}
		if strings.HasSuffix(name, ".go") || strings.HasSuffix(name, ".txtar") {
			names = append(names, strings.TrimPrefix(filepath.ToSlash(name), "../"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
