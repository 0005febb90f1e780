// Package account reads and amends the text of passwd(5) and group(5).
//
// Input: the text of such a file, which may be anything: images bring their
// own. Output: accounts found in it, or a new text. The package opens no file.
package account

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// User is a line of passwd(5).
type User struct{ Name, Gecos, Home, Shell string }

// Find returns the account of uid in text, lines of passwd(5).
func Find(text string, uid uint32) (User, bool) {
	id := strconv.FormatUint(uint64(uid), 10)
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimRight(line, "\n"), ":")
		if len(f) == 7 && f[2] == id && f[0] != "" {
			return User{Name: f[0], Gecos: f[4], Home: f[5], Shell: f[6]}, true
		}
	}
	return User{}, false
}

// GroupNames returns the names of gids in text, lines of group(5).
func GroupNames(text string, gids []uint32) map[uint32]string {
	names := map[uint32]string{}
	for line := range strings.Lines(text) {
		f := strings.SplitN(line, ":", 4)
		if len(f) < 4 || f[0] == "" {
			continue
		}
		gid, err := strconv.ParseUint(f[2], 10, 32)
		if err != nil || !slices.Contains(gids, uint32(gid)) {
			continue
		}
		if _, have := names[uint32(gid)]; !have {
			names[uint32(gid)] = f[0]
		}
	}
	return names
}

// AddUser puts u into text, lines of passwd(5), with these ids. Lines for the
// same name or user id give way.
func AddUser(text string, u User, uid, gid uint32) string {
	kept := without(text, map[string]bool{u.Name: true}, map[uint32]bool{uid: true})
	return kept + fmt.Sprintf("%s:x:%d:%d:%s:%s:%s\n", u.Name, uid, gid, u.Gecos, u.Home, u.Shell)
}

// AddGroups puts the groups ids, those that names has, into text, lines of
// group(5), with the user member in each: id(1) with a name, and initgroups(3),
// find a user's groups no other way. Lines for the same names or ids give way.
func AddGroups(text, member string, names map[uint32]string, ids []uint32) string {
	taken, numbers := map[string]bool{}, map[uint32]bool{}
	var lines strings.Builder
	for _, id := range ids {
		name := names[id]
		if name == "" || numbers[id] {
			continue
		}
		taken[name], numbers[id] = true, true
		fmt.Fprintf(&lines, "%s:x:%d:%s\n", name, id, member)
	}
	return without(text, taken, numbers) + lines.String()
}

// without returns the lines of a passwd or group file but those for the given
// names or ids, and ends with a newline unless it is empty.
func without(text string, names map[string]bool, ids map[uint32]bool) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		f := strings.SplitN(line, ":", 4)
		if names[f[0]] {
			continue
		}
		if len(f) > 2 {
			if id, err := strconv.ParseUint(f[2], 10, 32); err == nil && ids[uint32(id)] {
				continue
			}
		}
		b.WriteString(line)
		if !strings.HasSuffix(line, "\n") {
			b.WriteByte('\n')
		}
	}
	return b.String()
}
