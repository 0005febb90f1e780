package cgroup

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// devices are rules that version 2 takes as programs of the kernel only (eBPF), which
// needs root's powers.
func (l *Limits) devices() ([]Setting, error) {
	var list []Setting
	for _, d := range l.Devices {
		kind, access := d.Type, d.Access
		if kind == "" {
			kind = "a"
		}
		if access == "" {
			access = "rwm"
		}
		if !strings.Contains("abc", kind) || len(kind) != 1 || strings.Trim(access, "rwm") != "" {
			return nil, fmt.Errorf("%q, %q: a rule of devices has the type a, b or c and an access of r, w and m", d.Type, d.Access)
		}
		if kind == "a" && (d.Major != nil || d.Minor != nil || access != "rwm") {
			return nil, errors.New("a rule of devices that is not for all needs the type b or c: without, the kernel takes it for all")
		}
		file := "devices.deny"
		if d.Allow {
			file = "devices.allow"
		}
		list = append(list, Setting{
			Name: "rule of devices", Controller: "devices",
			V1: []Write{{File: file, Text: fmt.Sprintf("%s %s:%s %s", kind, number(d.Major), number(d.Minor), access)}},
		})
	}
	return list, nil
}

func number(n *int64) string {
	if n == nil || *n < 0 {
		return "*"
	}
	return strconv.FormatInt(*n, 10)
}

// unified are files of version 2.
func (l *Limits) unified() ([]Setting, error) {
	var list []Setting
	for _, file := range slices.Sorted(maps.Keys(l.Unified)) {
		controller, _, dotted := strings.Cut(file, ".")
		if !dotted || strings.ContainsAny(file, "/\x00") || controller == "cgroup" {
			return nil, fmt.Errorf("unified: %q is no file of a controller such as memory.high", file)
		}
		if controller == "io" {
			controller = "blkio"
		}
		list = append(list, Setting{Name: file, Controller: controller, V2: shown(file, l.Unified[file])})
	}
	return list, nil
}

// numbers expands a list such as 0-3,8.
func numbers(list string) (map[int]bool, error) {
	set := map[int]bool{}
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			last = first
		}
		a, err := strconv.ParseUint(first, 10, 16)
		b, err2 := strconv.ParseUint(last, 10, 16)
		if errors.Join(err, err2) != nil || a > b {
			return nil, fmt.Errorf("%q is not a list of numbers such as 0-3,8", list)
		}
		for n := a; n <= b; n++ {
			set[int(n)] = true
		}
	}
	return set, nil
}
