package rootemu

import (
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/rootemu/creds"
	"github.com/sealift/sealift/starter/seccomp"
)

// changingCalls are those that change ids and owners.
func changingCalls() map[int]handler {
	calls := map[int]handler{
		unix.SYS_SETUID:    changeIDs(users, setID),
		unix.SYS_SETGID:    changeIDs(groups, setID),
		unix.SYS_SETREUID:  changeIDs(users, setREID),
		unix.SYS_SETREGID:  changeIDs(groups, setREID),
		unix.SYS_SETRESUID: changeIDs(users, setRESID),
		unix.SYS_SETRESGID: changeIDs(groups, setRESID),
		unix.SYS_SETFSUID:  setFSID(users),
		unix.SYS_SETFSGID:  setFSID(groups),
		unix.SYS_SETGROUPS: setGroups,
		unix.SYS_FCHOWN:    fchown,
		unix.SYS_FCHOWNAT:  fchownat,
	}
	maps.Copy(calls, oldChangingCalls())
	return calls
}

// fastCalls are those that Fast answers besides.
func fastCalls() map[int]handler {
	calls := map[int]handler{
		unix.SYS_GETUID:    getID(getUID),
		unix.SYS_GETEUID:   getID(getEUID),
		unix.SYS_GETGID:    getID(getGID),
		unix.SYS_GETEGID:   getID(getEGID),
		unix.SYS_GETRESUID: getRESID(users),
		unix.SYS_GETRESGID: getRESID(groups),
		unix.SYS_GETGROUPS: getGroups,

		unix.SYS_MKNODAT:   mknodat,
		unix.SYS_MKDIRAT:   mkdirat,
		unix.SYS_SYMLINKAT: symlinkat,
		unix.SYS_OPENAT:    openat,
		unix.SYS_OPENAT2:   openat2,
		unix.SYS_CHROOT:    chroot,

		unix.SYS_SETXATTR:   setxattr(byPath),
		unix.SYS_LSETXATTR:  setxattr(byLink),
		unix.SYS_FSETXATTR:  setxattr(byFD),
		unix.SYS_LISTXATTR:  listxattr(byPath),
		unix.SYS_LLISTXATTR: listxattr(byLink),
		unix.SYS_FLISTXATTR: listxattr(byFD),
	}
	maps.Copy(calls, oldFastCalls())
	return calls
}

// fullCalls are those that Full answers besides.
func fullCalls() map[int]handler {
	calls := map[int]handler{
		unix.SYS_FSTAT: fstat,
		fstatatCall:    newfstatat,
		unix.SYS_STATX: statx,
	}
	maps.Copy(calls, oldFullCalls())
	return calls
}

// calls returns the handlers of a mode.
func (e *Emulator) calls() map[int]handler {
	calls := changingCalls()
	if e.mode != Silent {
		maps.Copy(calls, fastCalls())
	}
	if e.mode == Full {
		maps.Copy(calls, fullCalls())
	}
	return calls
}

// succeed is the filter's action that does nothing and returns 0.
const succeed = unix.SECCOMP_RET_ERRNO

// rules returns what the filter does in a mode. The limit that carries
// credentials is not for the payload to change.
func (e *Emulator) rules() []seccomp.Rule {
	rules := []seccomp.Rule{{NR: unix.SYS_CAPSET, Action: succeed}}
	action := uint32(succeed)
	if e.mode != Silent {
		action = unix.SECCOMP_RET_USER_NOTIF
		rules = append(rules,
			seccomp.Rule{NR: unix.SYS_SETRLIMIT, Action: succeed, Tests: []seccomp.Test{{Arg: 0, Equal: creds.Carrier}}},
			// With a new limit: the pointer is not null.
			seccomp.Rule{NR: unix.SYS_PRLIMIT64, Action: succeed, Tests: []seccomp.Test{{Arg: 1, Equal: creds.Carrier}, {Arg: 2, Any: ^uint32(0)}}},
		)
	}
	creating := openTests()
	for _, nr := range slices.Sorted(maps.Keys(e.calls())) {
		rules = append(rules, seccomp.Rule{NR: nr, Action: action, Tests: creating[nr]})
	}
	return rules
}
