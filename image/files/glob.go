package files

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/pattern"
)

// maxMatches bounds what one pattern of %files may stand for.
const maxMatches = 1 << 20

// lister is the file system that a pattern is matched in.
type lister interface {
	// names lists a directory, following a symbolic link to it; what is not
	// a directory has none.
	names(dir string) ([]string, error)
	// exists tells whether a name is there, a dangling link included.
	exists(name string) bool
	// isDir tells whether name is a directory and not a link to one.
	isDir(name string) bool
	// leadsToDir tells whether name is a directory or a link to one.
	leadsToDir(name string) bool
}

// glob returns the paths that a pattern of definition.Copy stands for, in the
// order of their names. Names that start with a dot are matched by a pattern
// that does, and ** by any number of directories. A pattern that ends with a
// slash, . or .. stands for directories alone. One that matches nothing may be
// a name itself, as in bash; nothing of that name either is fs.ErrNotExist.
func glob(l lister, source string) ([]string, error) {
	g := globber{lister: l}
	patterns, err := braces(source)
	if err != nil {
		return nil, err
	}
	for _, p := range patterns {
		start, rest := "", p
		if strings.HasPrefix(p, "/") {
			start, rest = "/", strings.TrimLeft(p, "/")
		}
		if p != "" && err == nil {
			err = g.expand(start, rest)
		}
	}
	if name := unescape(source); len(g.found) == 0 && l.exists(name) {
		g.found, err = []string{name}, nil
	}
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(source, "/") || endsWithDots(source) {
		g.found = slices.DeleteFunc(g.found, func(name string) bool { return !l.leadsToDir(name) })
	}
	if len(g.found) == 0 {
		return nil, fs.ErrNotExist
	}
	return g.found, nil
}

// endsWithDots reports whether the last name of a path is . or "..".
func endsWithDots(source string) bool {
	source = strings.TrimRight(source, "/")
	last := source[strings.LastIndexByte(source, '/')+1:]
	return last == "." || last == ".."
}

type globber struct {
	lister
	found []string
	seen  map[string]bool
	depth int
}

// expand matches the rest of a pattern below dir.
func (g *globber) expand(dir, rest string) error {
	head, tail, more := strings.Cut(rest, "/")
	switch {
	case head == "" && !more:
		return g.add(dir)
	case head == "":
		return g.expand(dir, tail)
	case head == "**" && more:
		return g.below(dir, tail)
	case !pattern.HasMeta(head, 0) && !strings.Contains(head, "("):
		next := path.Join(dir, unescape(head))
		if head == ".." { // not path.Join's: the host resolves it behind links
			next = strings.TrimSuffix(dir, "/") + "/.."
			if dir == "" {
				next = ".."
			}
		}
		if !g.exists(next) {
			return nil
		}
		return g.expand(next, tail)
	}
	return g.match(dir, head, tail)
}

// below matches tail in dir and in all directories beneath it.
func (g *globber) below(dir, tail string) error {
	if g.depth++; g.depth > 1000 {
		return errors.New("directories nest deeper than 1000")
	}
	defer func() { g.depth-- }()
	if err := g.expand(dir, tail); err != nil {
		return err
	}
	names, err := g.names(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		next := path.Join(dir, name)
		if name[0] != '.' && g.isDir(next) {
			if err := g.below(next, tail); err != nil {
				return err
			}
		}
	}
	return nil
}

// match expands tail below the names in dir that match the pattern head.
func (g *globber) match(dir, head, tail string) error {
	expr, err := pattern.Regexp(head, pattern.EntireString|pattern.Filenames|pattern.NoGlobStar|pattern.ExtendedOperators)
	if err != nil {
		return fmt.Errorf("pattern %q: %w", head, err)
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return fmt.Errorf("pattern %q: %w", head, err)
	}
	names, err := g.names(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if (name[0] == '.') != (head[0] == '.') || !re.MatchString(name) {
			continue
		}
		if err := g.expand(path.Join(dir, name), tail); err != nil {
			return err
		}
	}
	return nil
}

func (g *globber) add(name string) error {
	if g.seen[name] {
		return nil
	}
	if g.seen == nil {
		g.seen = map[string]bool{}
	}
	if len(g.found) == maxMatches {
		return fmt.Errorf("more than %d files match", maxMatches)
	}
	g.seen[name] = true
	g.found = append(g.found, name)
	return nil
}

// unescape removes the backslashes of a pattern that has no wildcard.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
