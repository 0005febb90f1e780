package environ

import (
	"slices"
	"strings"

	"github.com/sealift/sealift/runtime/shell"
)

// The generated script works with variables under this prefix, and removes
// them: l_ and e_ hold the injected values, literal and to be expanded; h_ the
// caller's; f_ the final ones; p_, a_, r_ and d_ what is put before, after or in
// place of a list of directories. Values travel in the environment and not in
// the script, which other users can read in /proc/PID/cmdline.
const reserved = "sealift_"

// Script returns what the image's /bin/sh has to do to make the environment
// that Evaluate would, and then exec args: a command line and the variables it
// needs. Both ways must give the same result.
func (e *Environment) Script(args []string) (command []string, environ []string) {
	var b strings.Builder
	s := scriptWriter{&b, map[string]string{}}
	// The scripts shall not see the payload's arguments as theirs ("." does
	// not hide them), so these wait in a variable; they come quoted.
	b.WriteString("sealift_args=\nfor sealift_n do sealift_args=\"$sealift_args $sealift_n\"; done\nshift $#\n")
	b.WriteString("unset sealift_none")
	for _, name := range shell.StartNames {
		if !slices.ContainsFunc(e.base, func(v variable) bool { return v.name == name }) {
			b.WriteString(" " + name)
		}
	}
	b.WriteByte('\n')
	before, middle, after := e.split()
	s.source(before, e.complete)
	s.inject(e.injected)
	s.libraries(e.libraries)
	s.source(middle, e.complete)
	for _, edit := range e.paths {
		s.edit(edit)
	}
	s.source(after, e.complete)
	s.restore(e.caller)
	s.assign(e.final)
	s.prompt(e.prompt)
	b.WriteString("eval \"set -- $sealift_args\"\nunset sealift_args sealift_n\n" + missing + "exec \"$@\"\n")

	command = []string{"/bin/sh", "-c", b.String(), "sealift"}
	for _, arg := range args {
		command = append(command, quoteSingle(arg))
	}
	for _, v := range e.base {
		s.env[v.name] = v.value
	}
	return command, sortedEntries(s.env)
}

// missing says that there is no such command in the words in which it is said
// when the environment needs no shell.
const missing = `command -v "$1" >/dev/null || [ -e "$1" ] || {
case "$1" in
*/*) echo "sealift: error: $1: no such file or directory" >&2
echo "sealift: hint: check the path, which is one inside the container" >&2 ;;
*) echo "sealift: error: $1: executable file not found in \$PATH: no such file or directory" >&2
echo "sealift: hint: check its name, and PATH inside the container" >&2 ;;
esac
exit 127
}
`

// resetOptions undoes what a script of the image may have done with set.
const resetOptions = "set +aefux\n"

type scriptWriter struct {
	*strings.Builder
	env map[string]string
}

func (s scriptWriter) source(files []string, complete bool) {
	for _, f := range files {
		s.WriteString(". " + quoteSingle(f) + "\n")
		if complete && setsImagePath(f) {
			s.WriteString("for sealift_n in " + strings.ReplaceAll(defaultPath, ":", " ") + "; do\n" +
				"case \":$PATH:\" in *\":$sealift_n:\"*) ;; *) PATH=\"${PATH:+$PATH:}$sealift_n\" ;; esac\ndone\nexport PATH\n")
		}
	}
	if len(files) > 0 {
		s.WriteString(resetOptions)
	}
}

// libraries has the image's libraries found before the host's.
func (s scriptWriter) libraries(dirs []string) {
	if len(dirs) == 0 {
		return
	}
	key := s.keep("d_", libraryPath, strings.Join(dirs, ":"))
	s.WriteString("if [ \"${" + libraryPath + "-}\" = " + libsDir + " ]; then export " + libraryPath + "=\"$" + key + ":" + libsDir + "\"; fi\n" +
		"unset " + key + "\n")
}

func (s scriptWriter) inject(vars []variable) {
	for _, v := range vars {
		if v.literal {
			key := s.keep("l_", v.name, v.value)
			s.WriteString("export " + v.name + "=\"$" + key + "\"; unset " + key + "\n")
			continue
		}
		key := s.keep("e_", v.name, escapeDouble(v.value))
		s.WriteString("eval \"export " + v.name + "=\\\"$" + key + "\\\"\"; unset " + key + "\n")
	}
}

// keep hands a value to the script and returns the variable it is in.
func (s scriptWriter) keep(kind, name, value string) string {
	key := reserved + kind + name
	s.env[key] = value
	return key
}

func (s scriptWriter) edit(edit pathEdit) {
	set := func(expr, key string) {
		s.WriteString(edit.name + "=" + expr + "; unset " + key + "\n")
	}
	switch {
	case edit.replace != "":
		key := s.keep("r_", edit.name, edit.replace)
		set("\"$"+key+"\"", key)
		edit.prepend, edit.append = "", ""
	}
	if edit.prepend != "" {
		key := s.keep("p_", edit.name, edit.prepend)
		set("\"$"+key+"${"+edit.name+":+:$"+edit.name+"}\"", key)
	}
	if edit.append != "" {
		key := s.keep("a_", edit.name, edit.append)
		set("\"${"+edit.name+":+$"+edit.name+":}$"+key+"\"", key)
	}
	s.WriteString("export " + edit.name + "\n")
}

// restore adds the caller's variables where the image left the name alone.
func (s scriptWriter) restore(vars []variable) {
	if len(vars) == 0 {
		return
	}
	s.WriteString("for sealift_n in")
	for _, v := range vars {
		s.keep("h_", v.name, v.value)
		s.WriteString(" " + v.name)
	}
	s.WriteString(`; do
eval "
if [ -z \"\${$sealift_n+set}\" ]; then export $sealift_n=\"\$sealift_h_$sealift_n\"
elif [ -z \"\$$sealift_n\" ]; then unset $sealift_n; fi
unset sealift_h_$sealift_n"
done
`)
}

// assign sets variables whatever happened before.
func (s scriptWriter) assign(vars []variable) {
	if len(vars) == 0 {
		return
	}
	s.WriteString("for sealift_n in")
	for _, v := range vars {
		s.keep("f_", v.name, v.value)
		s.WriteString(" " + v.name)
	}
	s.WriteString(`; do
eval "export $sealift_n=\"\$sealift_f_$sealift_n\"; unset sealift_f_$sealift_n"
done
`)
}

func sortedEntries(values map[string]string) []string {
	list := make([]string, 0, len(values))
	for name, value := range values {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}
