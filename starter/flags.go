package main

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Flags of operations that are not flags of a mount.
const (
	flagTry        = "try"
	flagSession    = "session"
	flagAllowOther = "allow_other"
	flagSuid       = "suid"
	flagOwn        = "own"
	flagRW         = "rw"
	flagWait       = "wait"
	flagKeep       = "keep"
)

// mountFlag is a flag of a mount in its three forms: the plan's, mount(2)'s
// and mount_setattr(2)'s.
type mountFlag struct {
	word string
	ms   uintptr
	attr uint64
}

func mountFlags() [4]mountFlag {
	return [4]mountFlag{
		{"ro", unix.MS_RDONLY, unix.MOUNT_ATTR_RDONLY},
		{"nosuid", unix.MS_NOSUID, unix.MOUNT_ATTR_NOSUID},
		{"nodev", unix.MS_NODEV, unix.MOUNT_ATTR_NODEV},
		{"noexec", unix.MS_NOEXEC, unix.MOUNT_ATTR_NOEXEC},
	}
}

// flagSet is the FLAGS argument of an operation.
type flagSet struct {
	ms   uintptr
	attr uint64
	rest []string
}

func (f flagSet) has(word string) bool { return slices.Contains(f.rest, word) }

// parseFlags reads words joined by commas: flags of a mount, and those in
// more. Any other is EINVAL, never ignored.
func parseFlags(words string, more ...string) (flagSet, error) {
	var f flagSet
	if words == "" {
		return f, nil
	}
	for word := range strings.SplitSeq(words, ",") {
		known := slices.Contains(more, word)
		if known {
			f.rest = append(f.rest, word)
		}
		for _, k := range mountFlags() {
			if k.word == word {
				known = true
				f.ms |= k.ms
				f.attr |= k.attr
			}
		}
		if !known {
			return flagSet{}, unix.EINVAL
		}
	}
	return f, nil
}
