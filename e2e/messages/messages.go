// Package messages finds what Sealift says of errors, and what it says to do, in its sources.
//
// Input: a directory of Go sources. Output: a page of all messages with a remedy. What is
// known only when an error happens is an ellipsis. It runs nothing of Sealift.
package messages

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Message is an error with its remedy.
type Message struct{ Area, Text, Remedy string }

// areas are headings, by the longest beginning of a package's directory.
var areas = map[string]string{
	"cmd": "Command line", "runtime": "Containers", "starter": "Containers", "gpu": "GPUs", "cmd/sealift/gpus": "GPUs", "image": "Images",
	"image/build": "Builds", "image/definition": "Builds", "image/dockerfile": "Builds", "image/stage": "Builds", "image/distro": "Builds", "image/files": "Builds",
	"cmd/sealift/builds": "Builds", "cmd/sealift/scripts": "Builds", "image/oci": "Registries and libraries", "image/library": "Registries and libraries",
	"image/oras": "Registries and libraries", "image/web": "Registries and libraries", "image/pull": "Registries and libraries",
	"cmd/sealift/registries": "Registries and libraries", "cmd/sealift/remotes": "Registries and libraries", "cmd/sealift/endpoints": "Registries and libraries",
	"cmd/sealift/pulls": "Registries and libraries", "cmd/sealift/pushes": "Registries and libraries", "image/cache": "Cache", "cmd/sealift/caches": "Cache",
	"image/trust": "Keys, signatures, rules and encryption", "image/crypt": "Keys, signatures, rules and encryption", "cmd/sealift/trusts": "Keys, signatures, rules and encryption",
	"cmd/sealift/keys": "Keys, signatures, rules and encryption", "cmd/sealift/policies": "Keys, signatures, rules and encryption",
	"cmd/sealift/cryptkeys": "Keys, signatures, rules and encryption", "cmd/sealift/instances": "Containers", "cmd/sealift/actions": "Containers",
	"cmd/sealift/shares": "Containers", "cmd/sealift/limits": "Containers", "cmd/sealift/fromhost": "Containers", "cmd/sealift/sources": "Containers",
}

func area(dir string) string {
	for at := dir; at != "."; at = filepath.Dir(at) {
		if name := areas[at]; name != "" {
			return name
		}
	}
	return "Other"
}

// Find returns the messages of the sources below root, in the order of their areas and texts.
func Find(root string, dirs ...string) ([]Message, error) {
	var all []Message
	for _, top := range dirs {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() || d.Name() == "testdata" {
				return err
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			found, err := inPackage(path, area(rel))
			all = append(all, found...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b Message) int {
		return cmp.Or(cmp.Compare(a.Area, b.Area), cmp.Compare(strings.ToLower(a.Text), strings.ToLower(b.Text)), cmp.Compare(a.Remedy, b.Remedy))
	})
	return slices.Compact(all), nil
}

// inPackage returns those of a directory's own sources.
func inPackage(dir, area string) (found []Message, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	r := reader{known: map[string]ast.Expr{}}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
		r.learn(f)
	}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && len(call.Args) > 1 && (called(call) == "hint.New" || called(call) == "hint.Wrap") {
				m := Message{area, tidy(r.text(call.Args[0])), tidy(verbs(r.text(call.Args[1])))}
				if words.MatchString(m.Text) && words.MatchString(m.Remedy) {
					found = append(found, m)
				}
			}
			return true
		})
	}
	return found, nil
}

// reader knows the constants and variables of a package.
type reader struct{ known map[string]ast.Expr }

func (r *reader) learn(f *ast.File) {
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, s := range g.Specs {
			v, ok := s.(*ast.ValueSpec)
			for i := 0; ok && i < min(len(v.Names), len(v.Values)); i++ {
				r.known[v.Names[i].Name] = v.Values[i]
			}
		}
	}
}

const unknown = "…"

// text returns what an expression spells, as far as the source says.
func (r *reader) text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return text
		}
	case *ast.ParenExpr:
		return r.text(e.X)
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return r.text(e.X) + r.text(e.Y)
		}
	case *ast.Ident:
		if value := r.known[e.Name]; value != nil {
			delete(r.known, e.Name) // which may be defined by itself
			defer func() { r.known[e.Name] = value }()
			return r.text(value)
		}
	case *ast.CallExpr:
		switch called(e) {
		case "fmt.Sprintf", "fmt.Errorf":
			return verbs(r.text(e.Args[0]))
		case "errors.New":
			return r.text(e.Args[0])
		}
	}
	return unknown
}

// called names a function of another package.
func called(call *ast.CallExpr) string {
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	from, ok := s.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return from.Name + "." + s.Sel.Name
}

var (
	verb  = regexp.MustCompile(`%%|%[-+#0]*[\d.*\[\]]*[a-zA-Z]`)
	words = regexp.MustCompile(`\pL{3}`)
	gaps  = regexp.MustCompile(`…[…"'\[\]]*…`)
)

func verbs(format string) string {
	return verb.ReplaceAllStringFunc(format, func(v string) string {
		if v == "%%" {
			return "%"
		}
		return unknown
	})
}

func tidy(text string) string {
	return gaps.ReplaceAllString(strings.Join(strings.Fields(text), " "), unknown)
}

// Page returns messages as Markdown, below an introduction.
func Page(introduction string, list []Message) string {
	var b strings.Builder
	b.WriteString(introduction)
	last := ""
	cell := strings.NewReplacer("|", `\|`, "<", `\<`, "*", `\*`, "_", `\_`, "`", "\\`")
	for _, m := range list {
		if m.Area != last {
			fmt.Fprintf(&b, "\n## %s\n\n| Message | What to do |\n|---|---|\n", m.Area)
			last = m.Area
		}
		fmt.Fprintf(&b, "| %s | %s |\n", cell.Replace(m.Text), cell.Replace(m.Remedy))
	}
	return b.String()
}
