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
// devices, of SINGULARITYENV_, APPTAINERENV_ and SEALIFTENV_, of files, and of Set.
func (in *Inputs) injected() ([]variable, error) {
	var all []variable
	for _, entry := range in.Devices {
		if name, value, ok := strings.Cut(entry, "="); ok && validName(name) {
			all = append(all, variable{name, value, true, "devices"})
		}
	}
	all = append(all, in.prefixed()...)
	for _, file := range in.Files {
		vars, err := in.evaluateFile(file)
		if err != nil {
			return nil, err
		}
		all = append(all, vars...)
	}
	for _, list := range in.Set {
		for _, entry := range assignments(list) {
			name, value, ok := strings.Cut(entry, "=")
			if !ok || !validName(name) {
				return nil, hint.New(fmt.Sprintf("--env %q is not an assignment", entry), "write --env NAME=value")
			}
			all = append(all, variable{name, value, in.NoEval, "--env"})
		}
	}
	return all, nil
}

// prefixed returns the variables that those of the caller set whose names begin
// with SINGULARITYENV_, APPTAINERENV_ and SEALIFTENV_, in this order.
func (in *Inputs) prefixed() []variable {
	var all []variable
	for _, prefix := range slices.Backward(prefixes) {
		for _, entry := range in.Caller {
			name, value, ok := strings.Cut(entry, "=")
			if short, has := strings.CutPrefix(name, prefix+"ENV_"); ok && has && validName(short) {
				all = append(all, variable{short, value, in.NoEval, name})
			}
		}
	}
	return all
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
	edits := map[string]*pathEdit{"PATH": {name: "PATH"}, libraryPath: {name: libraryPath}}
	chosen := map[string]variable{}
	for _, v := range slices.Backward(vars) {
		if by, again := chosen[v.name]; again {
			e.noteRival(by, v)
			continue
		}
		chosen[v.name] = v
		list, isPrepend := strings.CutPrefix(v.name, "PREPEND_")
		if !isPrepend {
			list = strings.TrimPrefix(v.name, "APPEND_")
		}
		edit := edits[list]
		switch {
		case edit != nil && (list != v.name || v.name == "PATH"):
			edit.set(v, list, isPrepend)
		case v.name == libraryPath && v.value != "":
			v.value += ":" + libsDir
			e.injected = append(e.injected, v)
		case v.name != libraryPath && fixed(v.name):
			e.notes = append(e.notes, fixedNote(v.name))
		default:
			e.injected = append(e.injected, v)
		}
	}
	slices.Reverse(e.injected)
	slices.Reverse(e.notes)
	for _, name := range []string{"PATH", libraryPath} {
		if edit := edits[name]; edit.origin != "" {
			e.paths = append(e.paths, *edit)
		}
	}
}

// noteRival tells of two variables of the caller that want the same one to be
// different.
func (e *Environment) noteRival(chosen, other variable) {
	if a, b := chosen.from(), other.from(); a == chosen.origin && b == other.origin && a != b && chosen.value != other.value {
		e.notes = append(e.notes, fmt.Sprintf("%s and %s have different values: that of %s counts", b, a, a))
	}
}

// set has v, which is for list, be part of the edit.
func (edit *pathEdit) set(v variable, list string, isPrepend bool) {
	switch {
	case v.value == "":
		return
	case isPrepend:
		edit.prepend = v.value
	case list != v.name:
		edit.append = v.value
	default:
		edit.replace = v.value
	}
	if origin := v.from(); edit.origin == "" {
		edit.origin = origin
	} else {
		edit.origin += ", " + origin
	}
}

// from is the origin of v with its name.
func (v variable) from() string {
	if strings.HasSuffix(v.origin, "ENV_"+v.name) {
		return v.origin
	}
	return v.origin + " " + v.name
}

// libraryPath is where the dynamic linker looks first (ld.so(8)); libsDir is
// where libraries of the host, such as a GPU driver's, are shown.
const (
	libraryPath = "LD_LIBRARY_PATH"
	libsDir     = "/.singularity.d/libs"
)

// fixed names follow from other options, or say where the payload runs, and
// cannot be injected. Other settings can: they are for nested containers.
func fixed(name string) bool {
	return name == "GID" || slices.Contains(ownedNames, name) || slices.ContainsFunc(prefixes, func(prefix string) bool {
		key, ok := strings.CutPrefix(name, prefix+"_")
		return ok && slices.Contains([]string{"CONTAINER", "NAME", "INSTANCE", "APPNAME", "COMMAND", "SHELL"}, key)
	})
}

func fixedNote(name string) string {
	note := name + " cannot be set with --env or SEALIFTENV_" + name
	if name == "HOME" {
		note += "; use --home"
	}
	return note
}

// evaluateFile reads assignments in shell syntax, in which the caller's
// variables can be used.
func (in *Inputs) evaluateFile(file File) ([]variable, error) {
	sh := shell.New(append(slices.Clip(in.Caller), "APPTAINER_IMAGE="+in.Image), noFiles{}).Plain()
	if err := sh.Run(file.Name, file.Text); err != nil {
		return nil, hint.Wrap(fmt.Errorf("--env-file: %w", err), "use lines of the form NAME=value, quoted where a shell would need it; commands are not run")
	}
	var vars []variable
	for _, entry := range sh.Assigned() {
		name, value, _ := strings.Cut(entry, "=")
		vars = append(vars, variable{name, value, true, "--env-file " + file.Name})
	}
	return vars, nil
}

// noFiles has scripts that look at files fail.
type noFiles struct{}

// Stat fails.
func (noFiles) Stat(string) (fs.FileMode, error) { return 0, shell.ErrNeedsContainer }

// Read fails.
func (noFiles) Read(string) (string, error) { return "", shell.ErrNeedsContainer }
