package distro

import (
	"io/fs"
	"path"
	"slices"
	"strings"
)

// aptSource is where packages come from, one suite of one archive
// (sources.list(5)).
type aptSource struct {
	uri, suite string
	// keyring is the path of the archive's keys, or empty.
	keyring string
}

// aptSources returns the sources of packages that the host itself uses.
func (p *planner) aptSources() []aptSource {
	const dir = "/etc/apt/sources.list.d"
	sources := parseList(p.read("/etc/apt/sources.list"))
	entries, err := fs.ReadDir(p.host.Files, relative(dir))
	if err != nil {
		return sources // the directory is for more of the same, and may be missing
	}
	for _, e := range entries {
		text := p.read(path.Join(dir, e.Name()))
		switch path.Ext(e.Name()) {
		case ".list":
			sources = append(sources, parseList(text)...)
		case ".sources":
			sources = append(sources, parseDeb822(text)...)
		}
	}
	return sources
}

// parseList reads the one-line format: deb [NAME=VALUE ...] URI SUITE COMPONENT...
func parseList(text string) []aptSource {
	var sources []aptSource
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb")
		if !ok || strings.TrimLeft(rest, " \t") == rest {
			continue
		}
		rest = strings.TrimSpace(rest)
		s := aptSource{}
		if options, ok := strings.CutPrefix(rest, "["); ok {
			if options, rest, ok = strings.Cut(options, "]"); !ok {
				continue
			}
			for o := range strings.FieldsSeq(options) {
				if name, value, _ := strings.Cut(o, "="); strings.EqualFold(name, "signed-by") && path.IsAbs(value) {
					s.keyring = value
				}
			}
		}
		if f := strings.Fields(rest); len(f) >= 3 && slices.Contains(f[2:], "main") {
			s.uri, s.suite = f[0], f[1]
			sources = append(sources, s)
		}
	}
	return sources
}

// parseDeb822 reads the format of deb822(5): paragraphs of "Name: value" lines.
func parseDeb822(text string) []aptSource {
	var sources []aptSource
	fields, last := map[string]string{}, ""
	end := func() {
		sources = append(sources, fromFields(fields)...)
		fields, last = map[string]string{}, ""
	}
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			end()
		case line[0] == ' ' || line[0] == '\t':
			fields[last] += "\n" + strings.TrimSpace(line)
		default:
			name, value, _ := strings.Cut(line, ":")
			last = strings.ToLower(strings.TrimSpace(name))
			fields[last] = strings.TrimSpace(value)
		}
	}
	end()
	return sources
}

func fromFields(fields map[string]string) []aptSource {
	off := []string{"no", "false", "without", "off", "disable", "0"}
	if slices.Contains(off, strings.ToLower(fields["enabled"])) || !slices.Contains(strings.Fields(fields["types"]), "deb") ||
		!slices.Contains(strings.Fields(fields["components"]), "main") {
		return nil
	}
	keyring := ""
	if path.IsAbs(fields["signed-by"]) {
		keyring, _, _ = strings.Cut(fields["signed-by"], " ")
	}
	var sources []aptSource
	for _, uri := range strings.Fields(fields["uris"]) {
		for _, suite := range strings.Fields(fields["suites"]) {
			sources = append(sources, aptSource{uri, suite, keyring})
		}
	}
	return sources
}
