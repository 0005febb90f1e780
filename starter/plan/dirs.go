package plan

import "strings"

// JoinDirs returns the LOWER argument of Overlay that names dirs, topmost
// first. A colon or backslash in a name is preceded by a backslash.
func JoinDirs(dirs ...string) string {
	quoted := make([]string, len(dirs))
	for i, d := range dirs {
		quoted[i] = strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(d)
	}
	return strings.Join(quoted, ":")
}

// SplitDirs is the inverse of JoinDirs. The empty string has no directories.
func SplitDirs(lower string) []string {
	if lower == "" {
		return nil
	}
	var dirs []string
	var name strings.Builder
	for i := 0; i < len(lower); i++ {
		switch c := lower[i]; {
		case c == '\\' && i+1 < len(lower):
			i++
			name.WriteByte(lower[i])
		case c == ':':
			dirs = append(dirs, name.String())
			name.Reset()
		default:
			name.WriteByte(c)
		}
	}
	return append(dirs, name.String())
}
