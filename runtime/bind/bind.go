// Package bind reads the syntax of bind mounts.
//
// Input: the text of options, and the caller's working directory. Output:
// sources and targets as absolute paths. Whether they exist is not its matter:
// the package looks at no file.
package bind

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Bind is one bind mount that the user asks for.
type Bind struct {
	Source, Target string // absolute
	ReadOnly       bool
	// Image says that Source is an image, and what of it is bound; the zero value
	// is that Source itself is.
	Image Part
	// Unnested keeps the target from containers that are started in this one.
	Unnested bool
}

// Part is a directory or file in an image.
type Part struct {
	Path string // absolute there, or empty for no part
	ID   uint32 // of the partition in a SIF file; 0 is the first that holds data
}

// Attached is something mounted for the time of one program: a bind mount or,
// without a source, a tmpfs of at most Size bytes, which 0 leaves to the kernel.
type Attached struct {
	Source, Target string // absolute
	ReadOnly       bool
	Size           int64
}

// Parse reads values of --bind. A value is a list separated by commas; an item
// is SOURCE[:TARGET[:OPTIONS]], OPTIONS being ro or rw, image-src=PATH and id=N,
// again separated by commas. A backslash makes a comma, colon or backslash
// literal. A relative source is one in the directory cwd.
func Parse(values []string, cwd string) ([]Bind, error) {
	var binds []Bind
	for _, value := range values {
		for _, fields := range splitItems(value) {
			b, err := parse(fields, cwd)
			if err != nil {
				return nil, fmt.Errorf("--bind %s: %w", value, err)
			}
			binds = append(binds, b)
		}
	}
	return binds, nil
}

// splitItems splits a value into items and these into fields. An option after
// a comma belongs to the item before, if that has options already.
func splitItems(value string) [][]string {
	var items [][]string
	for _, item := range splitEscaped(value, ',') {
		fields := splitEscaped(item, ':')
		last := len(items) - 1
		if len(fields) == 1 && isOption(fields[0]) && last >= 0 && len(items[last]) >= 3 {
			items[last] = append(items[last], fields[0])
			continue
		}
		items = append(items, fields)
	}
	for _, fields := range items {
		for i := range fields {
			fields[i] = unescape(fields[i])
		}
	}
	return items
}

func isOption(s string) bool {
	return s == "ro" || s == "rw" || strings.HasPrefix(s, "image-src=") || strings.HasPrefix(s, "id=")
}

// splitEscaped splits s at sep where no backslash is before it. The
// backslashes stay.
func splitEscaped(s string, sep byte) []string {
	var parts []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case sep:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// unescape removes the backslash before commas, colons and backslashes.
func unescape(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\,`, `,`, `\:`, `:`).Replace(s)
}

func parse(fields []string, cwd string) (Bind, error) {
	const grammar = "write SOURCE[:TARGET[:ro]], with a backslash before a literal comma or colon"
	if fields[0] == "" {
		return Bind{}, hint.New("the source is empty", grammar)
	}
	b := Bind{Source: Absolute(fields[0], cwd)}
	b.Target = b.Source
	if len(fields) > 1 && fields[1] != "" {
		b.Target = fields[1]
	}
	if err := CheckTarget("target", b.Target); err != nil {
		return b, err
	}
	b.Target = path.Clean(b.Target)
	for _, option := range fields[min(2, len(fields)):] {
		switch {
		case option == "ro":
			b.ReadOnly = true
		case option == "rw", option == "":
			b.ReadOnly = false
		case isOption(option):
			key, value, _ := strings.Cut(option, "=")
			if err := b.Image.set(key, value); err != nil {
				return b, err
			}
		default:
			return b, hint.New(fmt.Sprintf("unknown option %q", option), grammar)
		}
	}
	return b, nil
}

// set takes over an option that says what of an image is bound. Each says that
// there is one.
func (p *Part) set(key, value string) error {
	if p.Path == "" {
		p.Path = "/"
	}
	if key == "image-src" {
		p.Path = path.Clean("/" + value)
		return nil
	}
	id, err := strconv.ParseUint(value, 10, 32)
	if err != nil || id == 0 {
		return hint.New(fmt.Sprintf("id=%s is not the number of an object", value), "'sealift sif list' shows the objects of an image")
	}
	p.ID = uint32(id)
	return nil
}

// CheckTarget refuses container paths that nothing can be mounted on.
func CheckTarget(what, target string) error {
	switch {
	case !path.IsAbs(target):
		return hint.New(fmt.Sprintf("%s %q is not an absolute path", what, target), "give the full path in the container")
	case path.Clean(target) == "/":
		return hint.New(what+" is the root directory", "choose a directory below it")
	}
	return nil
}

// SplitHome splits the value of --home into source and target.
func SplitHome(value string) (source, target string, err error) {
	fields := splitEscaped(value, ':')
	source = unescape(fields[0])
	target = source
	if len(fields) > 1 {
		target = unescape(fields[1])
	}
	if len(fields) > 2 || source == "" || !path.IsAbs(target) {
		return "", "", hint.New(fmt.Sprintf("--home %q: the target is not an absolute path", value), "write --home SOURCE[:TARGET] with full paths")
	}
	return source, path.Clean(target), nil
}

// Absolute makes the host path name absolute, as seen from the directory cwd.
func Absolute(name, cwd string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(cwd, name)
}

// Join is the list of targets that a nested container can be given as binds:
// commas, colons and backslashes in them are escaped.
func Join(targets []string) string {
	escaper := strings.NewReplacer(`\`, `\\`, `,`, `\,`, `:`, `\:`)
	quoted := make([]string, len(targets))
	for i, t := range targets {
		quoted[i] = escaper.Replace(t)
	}
	return strings.Join(quoted, ",")
}
