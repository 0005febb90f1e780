package environ

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/shell"
)

// injected collects the variables that beat all others, weakest first: those of
// files, of SINGULARITYENV_, APPTAINERENV_ and SEALIFTENV_, and of Set.
func (in *Inputs) injected() ([]variable, error) {
	var all []variable
	for _, file := range in.Files {
		vars, err := in.evaluateFile(file)
		if err != nil {
			return nil, err
		}
		all = append(all, vars...)
	}
	for _, prefix := range slices.Backward(prefixes) {
		for _, entry := range in.Caller {
			name, value, ok := strings.Cut(entry, "=")
			if name, has := strings.CutPrefix(name, prefix+"ENV_"); ok && has && validName(name) {
				all = append(all, variable{name, value, in.NoEval})
			}
		}
	}
	for _, list := range in.Set {
		for _, entry := range assignments(list) {
			name, value, ok := strings.Cut(entry, "=")
			if !ok || !validName(name) {
				return nil, hint.New(fmt.Sprintf("--env %q is not an assignment", entry), "write --env NAME=value")
			}
			all = append(all, variable{name, value, in.NoEval})
		}
	}
	return all, nil
}

// assignments splits a value of --env at the commas before NAME=; others are
// part of a value. An item in double quotes, doubled within it, stays whole.
func assignments(list string) []string {
	var items []string
	for {
		item, rest, more := cutQuoted(list)
		if item == "" {
			item, rest, more = cutAssignment(list)
		}
		items = append(items, item)
		if !more {
			return items
		}
		list = rest
	}
}

// cutAssignment cuts list at the first comma before NAME=.
func cutAssignment(list string) (item, rest string, more bool) {
	for i := range len(list) {
		if list[i] == ',' {
			name, _, ok := strings.Cut(strings.TrimPrefix(list[i+1:], `"`), "=")
			if ok && validName(name) {
				return list[:i], list[i+1:], true
			}
		}
	}
	return list, "", false
}

// cutQuoted cuts an item in double quotes from the start of list, if there is
// one that ends where list does or at a comma. The item comes without quotes.
func cutQuoted(list string) (item, rest string, more bool) {
	body, ok := strings.CutPrefix(list, `"`)
	for i := 0; ok && i < len(body); i++ {
		switch {
		case body[i] != '"':
		case strings.HasPrefix(body[i+1:], `"`):
			i++
		case i+1 == len(body) || body[i+1] == ',':
			item = strings.ReplaceAll(body[:i], `""`, `"`)
			rest, more = strings.CutPrefix(body[i+1:], ",")
			return item, rest, more
		default:
			return "", "", false
		}
	}
	return "", "", false
}

// sort puts each of vars where it takes effect; the last of a name wins.
func (e *Environment) sort(vars []variable) {
	edits := map[string]*pathEdit{"PATH": {name: "PATH"}, "LD_LIBRARY_PATH": {name: "LD_LIBRARY_PATH"}}
	for _, v := range vars {
		list, isPrepend := strings.CutPrefix(v.name, "PREPEND_")
		if !isPrepend {
			list = strings.TrimPrefix(v.name, "APPEND_")
		}
		edit := edits[list]
		switch {
		case edit != nil && isPrepend:
			edit.prepend = v.value
		case edit != nil && list != v.name:
			edit.append = v.value
		case v.name == "PATH":
			edit.replace = v.value
		case v.name == "LD_LIBRARY_PATH" && v.value != "":
			v.value += ":" + libsDir
			e.set(v)
		case fixed(v.name):
			note := v.name + " cannot be set with --env or SEALIFTENV_" + v.name
			if v.name == "HOME" {
				note += "; use --home"
			}
			e.notes = append(e.notes, note)
		default:
			e.set(v)
		}
	}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH"} {
		if edit := edits[name]; *edit != (pathEdit{name: name}) {
			e.paths = append(e.paths, *edit)
		}
	}
}

// set injects v instead of an earlier variable of the same name.
func (e *Environment) set(v variable) {
	e.injected = slices.DeleteFunc(e.injected, func(w variable) bool { return w.name == v.name })
	e.injected = append(e.injected, v)
}

// injects says whether the variable name is injected, be it with no value.
func (e *Environment) injects(name string) bool {
	return slices.ContainsFunc(e.injected, func(v variable) bool { return v.name == name })
}

// libsDir is where libraries of the host, such as a GPU driver's, are shown.
const libsDir = "/.singularity.d/libs"

// fixed names follow from other options and cannot be injected.
func fixed(name string) bool { return slices.Contains(ownedNames, name) || ours(name) }

// evaluateFile reads assignments in shell syntax, in which the caller's
// variables can be used.
func (in *Inputs) evaluateFile(file File) ([]variable, error) {
	sh := shell.New(in.Caller, noFiles{})
	if err := sh.Run(file.Name, file.Text); err != nil {
		return nil, hint.Wrap(fmt.Errorf("--env-file: %w", err), "use lines of the form NAME=value, quoted where a shell would need it; commands are not run")
	}
	var vars []variable
	for _, entry := range sh.Assigned() {
		name, value, _ := strings.Cut(entry, "=")
		vars = append(vars, variable{name, value, true})
	}
	return vars, nil
}

// noFiles has scripts that look at files fail.
type noFiles struct{}

// Stat fails.
func (noFiles) Stat(string) (fs.FileMode, error) { return 0, shell.ErrNeedsContainer }

// Read fails.
func (noFiles) Read(string) (string, error) { return "", shell.ErrNeedsContainer }
