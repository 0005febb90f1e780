package environ

import (
	"fmt"
	"path"
	"strings"

	"github.com/sealift/sealift/runtime/shell"
)

// lastBefore is the script after which injected variables are set.
const lastBefore = "99-base.sh"

// split parts the scripts that run before the injection from those after it.
func (e *Environment) split() (before, after []string) {
	for i, script := range e.scripts {
		if path.Base(script) > lastBefore {
			return e.scripts[:i], e.scripts[i:]
		}
	}
	return e.scripts, nil
}

// Evaluate returns the payload's environment. The error is
// shell.ErrNeedsContainer when a script has to run in the container.
func (e *Environment) Evaluate(files shell.Files) ([]string, error) {
	sh := shell.New(entries(e.base), files)
	before, after := e.split()
	if err := e.runAll(sh, files, before); err != nil {
		return nil, err
	}
	if err := runInjected(sh, e.injected); err != nil {
		return nil, err
	}
	if err := e.runAll(sh, files, after); err != nil {
		return nil, err
	}
	values := map[string]string{}
	for _, entry := range sh.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		values[name] = value
	}
	for _, edit := range e.paths {
		current, _ := sh.Get(edit.name)
		values[edit.name] = edit.apply(current)
	}
	for _, v := range e.caller {
		if value, set := sh.Get(v.name); !set {
			values[v.name] = v.value
		} else if value == "" {
			delete(values, v.name)
		}
	}
	for _, v := range e.final {
		values[v.name] = v.value
	}
	return sortedEntries(values), nil
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
		if e.complete && setsDockerPath(path.Base(script)) {
			current, _ := sh.Get("PATH")
			if err := sh.Export("PATH", completed(current)); err != nil {
				return err
			}
		}
	}
	return nil
}

// setsDockerPath names the scripts that hold the variables of an OCI image.
// The PATH of such an image is often shorter than programs expect.
func setsDockerPath(name string) bool {
	return name == "10-docker2singularity.sh" || name == "10-docker.sh"
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

// apply returns the new value of the variable that has the value current.
func (edit pathEdit) apply(current string) string {
	if edit.replace != "" {
		current = edit.replace
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
			err = sh.Export(v.name, v.value)
		} else {
			err = sh.Run("value of "+v.name, "export "+v.name+"=\""+escapeDouble(v.value)+"\"\n")
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
