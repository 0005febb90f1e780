// Package perm is whom files of a Dockerfile's stage belong to, what may be done
// with them, and who runs its programs: USER, --chown and --chmod.
//
// Input: their values, and the accounts of a root file system. Output: ids and
// modes. It reads files only by the functions that it is given.
package perm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Account is a user as a root file system knows it.
type Account struct {
	UID, GID uint32
	// Groups are its groups, the primary one first.
	Groups []uint32
	// Home is its home directory.
	Home string
}

// Reader returns a file of a root file system, by its path without a leading
// slash. One that is not there is empty.
type Reader func(name string) (string, error)

// Owner is whom a file belongs to.
type Owner struct{ UID, GID uint32 }

// FindUser returns the user of USER[:GROUP], by names or numbers. An unknown number is a user of group 0 with the home directory /. The empty text
// is root.
func FindUser(read Reader, text string) (Account, error) {
	a := Account{Home: "/"}
	user, group, hasGroup := strings.Cut(text, ":")
	if user == "" {
		user = "0"
	}
	passwd, err := read("etc/passwd")
	if err != nil {
		return a, err
	}
	found, name := false, ""
	for f := range fieldsOf(passwd, 6) {
		uid, ok := id(f[2])
		gid, ok2 := id(f[3])
		if ok && ok2 && (f[0] == user || f[2] == user) {
			found, name, a = true, f[0], Account{UID: uid, GID: gid, Home: f[5]}
			break
		}
	}
	if !found {
		if a.UID, found = id(user); !found {
			return a, unknown("user", user, "etc/passwd")
		}
		if a.UID == 0 {
			a.Home = "/root"
		}
	}
	if !hasGroup && name == "" {
		a.Groups = []uint32{a.GID}
		return a, nil
	}
	groups, err := read("etc/group")
	if err != nil {
		return a, err
	}
	if hasGroup {
		a.GID, err = findGroup(groups, group)
		a.Groups = []uint32{a.GID}
		return a, err
	}
	a.Groups = memberships(groups, name, a.GID)
	return a, nil
}

// memberships returns the groups of a user, the primary one first.
func memberships(groups, name string, primary uint32) []uint32 {
	list := []uint32{primary}
	for f := range fieldsOf(groups, 4) {
		if gid, ok := id(f[2]); ok && slices.Contains(strings.Split(f[3], ","), name) && !slices.Contains(list, gid) {
			list = append(list, gid)
		}
	}
	return list
}

func findGroup(groups, group string) (uint32, error) {
	for f := range fieldsOf(groups, 3) {
		if gid, ok := id(f[2]); ok && f[0] == group {
			return gid, nil
		}
	}
	if gid, ok := id(group); ok {
		return gid, nil
	}
	return 0, unknown("group", group, "etc/group")
}

// FindOwner returns the owner of --chown=USER[:GROUP]. A user's number without
// a group stands for the group of that number.
func FindOwner(read Reader, text string) (Owner, error) {
	if uid, ok := id(text); ok {
		return Owner{uid, uid}, nil
	}
	a, err := FindUser(read, text)
	return Owner{a.UID, a.GID}, err
}

func unknown(what, name, file string) error {
	return hint.New(fmt.Sprintf("no %s %q in /%s of the stage", what, name, file),
		"add it in a RUN above, or give its number")
}

func id(text string) (uint32, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err == nil && uint32(n) != ^uint32(0)
}

// fieldsOf yields the lines of a file of accounts that have at least n fields.
func fieldsOf(text string, n int) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		for line := range strings.Lines(text) {
			if f := strings.Split(strings.TrimSpace(line), ":"); len(f) >= n && !yield(f) {
				return
			}
		}
	}
}
