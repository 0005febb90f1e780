// Package require tells whether a driver of NVIDIA's is what an image asks for: by its
// variables NVIDIA_REQUIRE_..., or by CUDA_VERSION in older images.
//
// Input: the variables of a container, and what is known of the driver and the GPUs.
// Output: which of the variables ask for something else. It is pure. What is not known
// is not held against a variable.
package require

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sealift/sealift/gpu/library"
)

// Host is what there is; what is not known is empty.
type Host struct {
	// Driver is its version, and CUDA the newest version that it has programs use.
	Driver, CUDA string
	// Brand is that of all GPUs, as NVIDIA's library calls it: tesla, geforce.
	Brand string
}

// releases are versions of CUDA and the first major version of a driver that has each.
var releases = []struct {
	driver int
	cuda   string
}{
	{590, "13.1"}, {580, "13.0"}, {575, "12.9"}, {570, "12.8"}, {565, "12.7"}, {560, "12.6"}, {555, "12.5"}, {550, "12.4"},
	{545, "12.3"}, {535, "12.2"}, {530, "12.1"}, {525, "12.0"}, {520, "11.8"}, {515, "11.7"}, {510, "11.6"}, {495, "11.5"},
	{470, "11.4"}, {465, "11.3"}, {460, "11.2"}, {455, "11.1"}, {450, "11.0"}, {440, "10.2"}, {418, "10.1"}, {410, "10.0"},
	{396, "9.2"}, {390, "9.1"}, {384, "9.0"}, {375, "8.0"},
}

// CUDA returns the newest version of CUDA that a driver has programs use. It is empty for
// drivers that are older, or may be newer, than those known here.
func CUDA(driver string) string {
	text, _, _ := strings.Cut(driver, ".")
	major, err := strconv.Atoi(text)
	if err != nil || major > releases[0].driver {
		return ""
	}
	for _, r := range releases {
		if major >= r.driver {
			return r.cuda
		}
	}
	return ""
}

// Unmet returns those variables, NAME=value, of an environment that ask for something
// else than h.
func Unmet(environ []string, h Host) (unmet []string) {
	vars := map[string]string{}
	var names []string
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if _, known := vars[name]; !known && strings.HasPrefix(name, "NVIDIA_REQUIRE_") {
			names = append(names, name)
		}
		vars[name] = value
	}
	if off, err := strconv.ParseBool(vars["NVIDIA_DISABLE_REQUIRE"]); err == nil && off {
		return nil
	}
	slices.Sort(names)
	for _, name := range names {
		if !h.meets(vars[name]) {
			unmet = append(unmet, name+"="+vars[name])
		}
	}
	if v := vars["CUDA_VERSION"]; v != "" && !slices.Contains(names, "NVIDIA_REQUIRE_CUDA") && !h.meets("cuda>="+release(v)) {
		unmet = append(unmet, "CUDA_VERSION="+v)
	}
	return unmet
}

// release is the first two numbers of a version.
func release(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// meets says whether one of the alternatives of a variable may be met, which spaces
// separate: each is conditions that commas join.
func (h Host) meets(value string) bool {
	alternatives := strings.Fields(value)
	return len(alternatives) == 0 || slices.ContainsFunc(alternatives, func(a string) bool {
		return !slices.ContainsFunc(strings.Split(a, ","), func(c string) bool { return !h.meetsOne(c) })
	})
}

// meetsOne says whether a condition may be met: PROPERTY, an operator, and a value.
func (h Host) meetsOne(condition string) bool {
	i := strings.IndexAny(condition, "!<>=")
	if i < 0 {
		return true
	}
	property, rest := condition[:i], condition[i:]
	op := rest[:len(rest)-len(strings.TrimLeft(rest, "!<>="))]
	value, have := strings.TrimSpace(rest[len(op):]), ""
	switch property {
	case "driver":
		have = h.Driver
	case "cuda":
		have = h.CUDA
	case "brand":
		have = h.Brand
	}
	if have == "" {
		return true
	}
	order := strings.Compare(have, value)
	if property != "brand" {
		order = library.Compare(have, value)
		// 12.4 is 12.4.1 for who asks for no more than that.
		if op == "=" && strings.HasPrefix(have, value+".") {
			order = 0
		}
	}
	switch op {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	}
	return true
}
