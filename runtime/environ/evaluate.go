package environ

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/runtime/shell"
)

// The scripts after which the injected variables are set, and the paths
// extended.
const (
	injectAfter = "99-base.sh"
	extendAfter = "99-runtimevars.sh"
)

// split parts the scripts that run before the injection, those until the paths
// are extended, and the rest. They are in the order of their names.
func (e *Environment) split() (before, middle, after []string) {
	inject, extend := len(e.scripts), len(e.scripts)
	for i, script := range slices.Backward(e.scripts) {
		name := path.Base(script)
		if name > injectAfter {
			inject = i
		}
		if name == extendAfter {
			extend = i + 1
		}
	}
	return e.scripts[:inject], e.scripts[inject:extend], e.scripts[extend:]
}

// Evaluate returns the payload's environment. The error is
// shell.ErrNeedsContainer when a script has to run in the container.
func (e *Environment) Evaluate(files shell.Files) ([]string, error) {
	values, err := e.evaluate(files)
	if err != nil {
		return nil, err
	}
	list := make([]string, 0, len(values))
	for name, v := range values {
		list = append(list, name+"="+v.value)
	}
	slices.Sort(list)
	return list, nil
}

// evaluate returns the payload's variables by name.
func (e *Environment) evaluate(files shell.Files) (map[string]variable, error) {
	sh, err := e.run(files)
	if err != nil {
		return nil, err
	}
	values := map[string]variable{}
	for _, v := range sh.Exported() {
		values[v.Name] = variable{name: v.Name, value: v.Value, origin: v.Origin}
	}
	for _, v := range e.caller {
		if value, set := sh.Get(v.name); !set {
			values[v.name] = v
		} else if value == "" {
			delete(values, v.name)
		}
	}
	for _, v := range e.final {
		values[v.name] = v
	}
	e.setPrompt(values)
	return values, nil
}

// run runs the scripts, with what is set between them.
func (e *Environment) run(files shell.Files) (*shell.Shell, error) {
	sh := shell.New(nil, files)
	for _, v := range e.base {
		if err := sh.Set(v.name, v.value, v.origin); err != nil {
			return nil, err
		}
	}
	before, middle, after := e.split()
	for _, step := range []func() error{
		func() error { return e.runAll(sh, files, before) },
		func() error { return runInjected(sh, e.injected) },
		func() error { return e.putLibraries(sh) },
		func() error { return e.runAll(sh, files, middle) },
		func() error { return e.extend(sh) },
		func() error { return e.runAll(sh, files, after) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return sh, nil
}

// putLibraries has the image's libraries found before the host's.
func (e *Environment) putLibraries(sh *shell.Shell) error {
	if list, _ := sh.Get(libraryPath); list != libsDir || len(e.libraries) == 0 {
		return nil
	}
	return sh.Set(libraryPath, strings.Join(e.libraries, ":")+":"+libsDir, "the image's directories of libraries")
}

// extend edits the lists of directories.
func (e *Environment) extend(sh *shell.Shell) error {
	for _, edit := range e.paths {
		current, _ := sh.Get(edit.name)
		if err := sh.Set(edit.name, edit.apply(current), edit.origin); err != nil {
			return err
		}
	}
	return nil
}

func (e *Environment) runAll(sh *shell.Shell, files shell.Files, scripts []string) error {
	for _, script := range scripts {
		text, err := files.Read(script)
		if err != nil {
			return fmt.Errorf("%w: %w", err, shell.ErrNeedsContainer)
		}
		if err := sh.Run(script, text); err != nil {
			return err
		}
		if e.complete && setsImagePath(script) {
			current, _ := sh.Get("PATH")
			if err := sh.Set("PATH", completed(current), script+", completed"); err != nil {
				return err
			}
		}
	}
	return nil
}

// OldScript sets the environment of images that have no directory of scripts.
const OldScript = "/environment"

// setsImagePath names the scripts after which the PATH is completed: that of an
// OCI image is often shorter than programs expect.
func setsImagePath(script string) bool {
	name := path.Base(script)
	return name == "10-docker2singularity.sh" || name == "10-docker.sh" || script == OldScript
}

// completed adds the directories of defaultPath that list lacks.
func completed(list string) string {
	for dir := range strings.SplitSeq(defaultPath, ":") {
		if !strings.Contains(":"+list+":", ":"+dir+":") {
			list = joinLists(list, dir)
		}
	}
	return list
}

// apply returns the new value of the variable that has the value current. What
// replaces it stands alone.
func (edit pathEdit) apply(current string) string {
	if edit.replace != "" {
		return edit.replace
	}
	return joinLists(joinLists(edit.prepend, current), edit.append)
}

func joinLists(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ":" + b
}

// runInjected sets the injected variables.
func runInjected(sh *shell.Shell, vars []variable) error {
	for _, v := range vars {
		var err error
		if v.literal || !strings.ContainsAny(v.value, "$`\\") {
			err = sh.Set(v.name, v.value, v.origin)
		} else {
			err = sh.Run(v.origin, "export "+v.name+"=\""+escapeDouble(v.value)+"\"\n")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// escapeDouble makes s the inside of a double-quoted shell string in which $
// and ` keep their meaning, and quotes are literal. A backslash counts before
// $, ` and backslash only.
func escapeDouble(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && strings.IndexByte("$`\\", s[i+1]) >= 0:
			b.WriteByte(c)
			i++
			b.WriteByte(s[i])
		case c == '\\', c == '"':
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// quoteSingle makes s one shell word, whatever is in it.
func quoteSingle(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
