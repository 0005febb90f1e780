package e2e

import (
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// environments are the places that start a program, and what it gets as its
// environment: nothing, a few variables, or those of the caller. Those of an image get
// to the payload, to what mounts within the container, and, as they were asked to, to
// programs of --host-cmd.
var environments = map[string]string{
	"cmd/sealift/instances/health.go probe":   "s.Environ",
	"cmd/sealift/instances/start.go spawn":    `append(p.Environ, readyVariable+"=3")`,
	"cmd/sealift/shares/shares.go spawn":      `append(slices.Clip(g.p.Environ), serverVariable+"="+g.place.Key()+" "+g.step)`,
	"gpu/discover/helper.go program":          "environ",
	"image/build/fromdef/script.go Run":       "metadata.HostEnvironment(b.Host.Environ)",
	"image/upper/create.go Write":             `[]string{"LC_ALL=C"}`,
	"runtime/doctor/probe/commands.go output": `[]string{"LC_ALL=C"}`,
	"runtime/host/user.go getent":             "[]string{}",
	"runtime/hostcmd/hostcmd.go call":         "Environ(s.host, first, c.Env)",
	"runtime/launch/clone.go runHelper":       "[]string{}",
	"runtime/launch/mounter.go Serve":         "m.Env",
	"runtime/launch/network.go run":           "[]string{}",
}

// TestProgramsT86: each place that starts a program says what its environment is, and is
// listed with it, so that none gets variables of an image by oversight.
func TestProgramsT86(t *testing.T) {
	found := map[string]bool{}
	for _, name := range sources(t) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "e2e/") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			starts, env := started(f)
			if !starts {
				continue
			}
			place := name + " " + f.Name.Name
			if found[place] = true; env == "" || environments[place] != env {
				t.Errorf("%s starts a program with the environment %q, which is listed as %q", place, env, environments[place])
			}
		}
	}
	for place := range environments {
		if !found[place] {
			t.Errorf("%s is listed, and starts no program", place)
		}
	}
}

// started says whether a function makes a command of os/exec, and what it sets its
// environment to.
func started(f *ast.FuncDecl) (starts bool, env string) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			name := dotted(n)
			starts = starts || name == "exec.Command" || name == "exec.CommandContext" || name == "exec.Cmd"
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Env" {
				env = printed(n.Value)
			}
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if s, ok := left.(*ast.SelectorExpr); ok && s.Sel.Name == "Env" && env == "" && i < len(n.Rhs) {
					env = printed(n.Rhs[i])
				}
			}
		}
		return true
	})
	return starts, env
}

func printed(n ast.Expr) string {
	var text strings.Builder
	if err := printer.Fprint(&text, token.NewFileSet(), n); err != nil {
		return err.Error()
	}
	return text.String()
}
