package definition

import (
	"slices"
	"strings"
	"unicode"

	"github.com/sealift/sealift/buildcfg/hint"
)

// App is one application of a stage, after the Scientific Filesystem
// (sci-f.github.io/spec-v1): its %app… sections.
type App struct {
	// Name is a single name of a file, of letters, digits and the marks _ . + -.
	Name string
	// Line is that of the application's first section.
	Line int
	// Install, Environment and Help are the texts of %appinstall, %appenv and
	// %apphelp.
	Install, Environment, Help string
	// Run, Start and Test are %apprun, %appstart and %apptest; nil when there
	// is none.
	Run, Start, Test *Script
	// Files are of %appfiles; destinations are below the application.
	Files  []Copy
	Labels []Label
	// Text is all sections of the application as written.
	Text string
}

// Apps returns the applications of a stage in the order of their first
// sections; several sections of one kind and name are joined. The recipe has
// to be expanded, since names may be templates.
func (r *Recipe) Apps(s *Stage) ([]App, error) {
	parts := map[string][]Section{}
	var names []string
	for _, section := range s.Sections {
		if !slices.Contains(appSections, section.Name) {
			continue
		}
		name, options, _ := strings.Cut(strings.ReplaceAll(section.Args, "\t", " "), " ")
		if !isAppName(name) {
			return nil, hint.Wrap(r.ErrorAt(section.Line, section.Column, "application %q; expected a name for a directory", brief(name)),
				"use letters, digits, and _ . + - except at the start")
		}
		if parts[name] == nil {
			names = append(names, name)
		}
		section.Column += columnAt(name, len(name)) + len(options) - len(strings.TrimLeft(options, " "))
		section.Args = strings.TrimSpace(options)
		parts[name] = append(parts[name], section)
	}
	apps := make([]App, len(names))
	for i, name := range names {
		apps[i] = App{Name: name, Line: parts[name][0].Line}
		if err := apps[i].fill(r, parts[name]); err != nil {
			return nil, err
		}
	}
	return apps, nil
}

// isAppName reports whether name is safe as a name of a file, and as a word of
// sh(1).
func isAppName(name string) bool {
	for i, c := range name {
		word := c == '_' || unicode.IsLetter(c) || unicode.IsDigit(c)
		if !word && (i == 0 || !strings.ContainsRune(".+-", c)) {
			return false
		}
	}
	return name != ""
}

// appScripts are the sections that a program interprets.
var appScripts = []string{"apprun", "appstart", "apptest"}

// fill sets the fields that parts, the sections of the application, spell.
// Their arguments no longer have the name.
func (a *App) fill(r *Recipe, parts []Section) error {
	var text strings.Builder
	kinds := map[string][]Section{}
	for _, s := range parts {
		kinds[s.Name] = append(kinds[s.Name], s)
		text.WriteString(strings.TrimSpace("%"+s.Name+" "+a.Name+" "+s.Args) + "\n" + s.Body)
	}
	a.Text = text.String()
	a.Install, a.Environment, a.Help = join(kinds["appinstall"]).Body, join(kinds["appenv"]).Body, join(kinds["apphelp"]).Body
	for i, script := range []**Script{&a.Run, &a.Start, &a.Test} {
		if same := kinds[appScripts[i]]; same != nil {
			x, err := r.script(same)
			if err != nil {
				return err
			}
			*script = &x
		}
	}
	for _, s := range parts {
		if s.Args != "" && !slices.Contains(appScripts, s.Name) {
			return r.ErrorAt(s.Line, s.Column, "%q after the name of the application; expected nothing more in %%%s", brief(s.Args), s.Name)
		}
		switch s.Name {
		case "appfiles":
			copies, err := r.copies(s)
			if err != nil {
				return err
			}
			a.Files = append(a.Files, copies...)
		case "applabels":
			a.Labels = append(a.Labels, s.Labels()...)
		}
	}
	return nil
}
