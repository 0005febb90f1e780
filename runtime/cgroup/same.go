package cgroup

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Same says whether a file that a text was written to, and then shows another, holds
// what it was to hold. page is the size of a memory page in bytes: the kernel rounds to
// whole ones, whichever way.
func Same(file, wrote, shows string, page int64) bool {
	wrote, shows = strings.TrimSpace(wrote), strings.TrimSpace(shows)
	kind, _, _ := strings.Cut(file, ".")
	switch {
	case wrote == shows:
		return true
	case file == "memory.oom_control":
		return slices.Contains(strings.Split(shows, "\n"), "oom_kill_disable "+wrote)
	case kind == "cpuset":
		a, err := numbers(wrote)
		b, err2 := numbers(shows)
		return err == nil && err2 == nil && maps.Equal(a, b)
	case kind == "memory" || kind == "hugetlb":
		return sameAmount(wrote, shows, page)
	}
	return sameLines(wrote, shows)
}

// unlimited is what version 1 shows for no limit of memory, rounded: more than any
// machine has.
const unlimited = 1 << 60

func sameAmount(wrote, shows string, page int64) bool {
	a, err := parseAmount(wrote)
	b, err2 := strconv.ParseInt(shows, 10, 64)
	if err2 != nil {
		return false
	}
	if err != nil || a < 0 || a >= unlimited {
		return (wrote == "max" || a < 0 || a >= unlimited) && b >= unlimited
	}
	return b/page == a/page || b == (a+page-1)/page*page
}

// parseAmount reads a number with the suffixes that the kernel takes.
func parseAmount(text string) (int64, error) {
	shift := 0
	if n := len(text) - 1; n > 0 {
		if i := strings.IndexByte("KMGT", text[n]&^0x20); i >= 0 {
			text, shift = text[:n], 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n << shift, err
}

// sameLines is for files with a line for each device: "8:0 rbps=1 wbps=max", or one that
// begins with default. Each word that was written is in the line of its device.
func sameLines(wrote, shows string) bool {
	words := strings.Fields(wrote)
	for line := range strings.Lines(shows) {
		all := strings.Fields(line)
		if len(words) == 1 && len(all) == 2 && all[0] == "default" && all[1] == words[0] {
			return true
		}
		if len(words) > 1 && len(all) > 0 && all[0] == words[0] && len(without(words, all)) == 0 {
			return true
		}
	}
	return false
}
