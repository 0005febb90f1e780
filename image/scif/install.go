package scif

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/image/definition"
)

// Script is Recipe.Script for a section of a build. At the end of %post it has
// the %appinstall of the applications, which thus share the shell of %post,
// its options and its variables; that shell must be one.
func Script(r *definition.Recipe, s *definition.Stage, name string) (definition.Script, bool, error) {
	script, ok, err := r.Script(s, name)
	if err != nil || name != "post" {
		return script, ok, err
	}
	apps, err := r.Apps(s)
	if err != nil {
		return script, false, err
	}
	text := install(apps)
	if text == "" {
		return script, ok, nil
	}
	section, _ := s.Section("appinstall")
	if script.Shell != nil && !slices.ContainsFunc(script.Shell, isShell) {
		return script, false, r.Errorf(section.Line, "%%appinstall runs in the interpreter of %%post, and that is %s; expected a shell", script.Shell[0])
	}
	if !ok {
		script.Line = section.Line
	}
	script.Body += text
	return script, true, nil
}

// isShell reports whether a word of a command line names a shell: sh, bash,
// dash, ksh and so on.
func isShell(word string) bool { return strings.HasSuffix(path.Base(word), "sh") }

// install returns the shell script that installs the applications in order,
// each in its directory and with the variables of its base script; empty when
// none has anything to install.
func install(apps []definition.App) string {
	var b strings.Builder
	for _, a := range apps {
		if strings.TrimSpace(a.Install) == "" {
			continue
		}
		dir := "/" + Dir(a.Name)
		fmt.Fprintf(&b, "\ncd /\n. %s/%s/%s\ncd %s\n%s\ncd /\n", dir, metaDir, baseScript, dir, a.Install)
	}
	return b.String()
}
