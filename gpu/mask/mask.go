// Package mask chooses among GPUs by variables that number them, as the libraries of AMD
// and Intel do, and renumbers the variables for a container that has the chosen ones only.
//
// Input: GPUs in the order of their vendor's library, and an environment. Output: those
// that are chosen, and variables. It is pure, and knows neither nodes nor drivers.
package mask

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// GPU is one that may be used.
type GPU struct {
	Node string
	// UUID is empty where nothing tells it.
	UUID string
	// Parts are how many devices the library takes it for, at least 1.
	Parts int
}

// Variables of AMD's, in which HIP's and OpenCL's number what ROCr's leaves.
const (
	rocr    = "ROCR_VISIBLE_DEVICES"
	hip     = "HIP_VISIBLE_DEVICES"
	cuda    = "CUDA_VISIBLE_DEVICES" // HIP's second choice
	ordinal = "GPU_DEVICE_ORDINAL"
)

// ROCm returns the GPUs of AMD's that an environment, NAME=value, chooses, and the
// variables of a container that has no other. A GPU that is named has to be there.
func ROCm(gpus []GPU, environ []string) (chosen []GPU, env []string, err error) {
	visible := indices(len(gpus))
	rocrValue, rocrGiven := lookup(environ, rocr)
	if rocrGiven {
		if visible, err = pick(rocr, rocrValue, visible, gpus); err != nil {
			return nil, nil, err
		}
	}
	used := visible
	by, value := hip, ""
	if value, _ = lookup(environ, hip); value == "" {
		by = cuda
		value, _ = lookup(environ, cuda)
	}
	if value != "" {
		if used, err = pick(by, value, visible, gpus); err != nil {
			return nil, nil, err
		}
	}
	all := slices.Sorted(slices.Values(used))
	for _, i := range all {
		chosen = append(chosen, gpus[i])
	}
	left := slices.DeleteFunc(slices.Clone(visible), func(i int) bool { return !slices.Contains(all, i) })
	if rocrGiven {
		env = append(env, rocr+"="+places(left, all))
	} else {
		left = all
	}
	if value != "" {
		env = append(env, by+"="+places(used, left))
	}
	if o, given := lookup(environ, ordinal); given {
		// Batch systems set it beside ROCr's, as if that left all.
		at := left
		if o != rocrValue {
			if at, err = pick(ordinal, o, visible, gpus); err != nil {
				return nil, nil, err
			}
		}
		env = append(env, ordinal+"="+places(at, left))
	}
	return chosen, env, nil
}

// Intel returns the GPUs that ZE_AFFINITY_MASK chooses, and the variables of a container
// that has no other.
func Intel(gpus []GPU, environ []string) (chosen []GPU, env []string, err error) {
	const name = "ZE_AFFINITY_MASK"
	value, _ := lookup(environ, name)
	if value == "" {
		return gpus, nil, nil
	}
	// Numbers are of parts, unless the hierarchy is that of whole GPUs.
	whole := false
	if mode, _ := lookup(environ, "ZE_FLAT_DEVICE_HIERARCHY"); mode == "COMPOSITE" {
		whole = true
	}
	var owner []int // the GPU of each number
	for i, g := range gpus {
		for n := 0; n < g.Parts && (n == 0 || !whole); n++ {
			owner = append(owner, i)
		}
	}
	ids := list(value)
	var used []int
	for _, id := range ids {
		n, ok := number(id)
		if !ok || n >= len(owner) {
			return nil, nil, missing(name, id, len(owner))
		}
		used = append(used, owner[n])
	}
	slices.Sort(used)
	used = slices.Compact(used)
	for _, i := range used {
		chosen = append(chosen, gpus[i])
	}
	left := slices.DeleteFunc(indices(len(owner)), func(n int) bool { return !slices.Contains(used, owner[n]) })
	for i, id := range ids {
		n, _ := number(id)
		_, part, parted := strings.Cut(id, ".")
		ids[i] = strconv.Itoa(slices.Index(left, n))
		if parted {
			ids[i] += "." + part
		}
	}
	return chosen, []string{name + "=" + strings.Join(ids, ",")}, nil
}

// number is what an id begins with: GPU, or GPU.PART.
func number(id string) (int, bool) {
	text, _, _ := strings.Cut(id, ".")
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0
}

// pick returns those of visible, numbers of gpus, that a list names by their places in
// it or by their UUIDs.
func pick(by, value string, visible []int, gpus []GPU) (picked []int, err error) {
	for _, id := range list(value) {
		i := slices.IndexFunc(visible, func(i int) bool { return gpus[i].UUID != "" && strings.EqualFold(gpus[i].UUID, id) })
		if n, ok := number(id); ok && n < len(visible) {
			i = n
		}
		if i < 0 {
			return nil, missing(by, id, len(visible))
		}
		if !slices.Contains(picked, visible[i]) {
			picked = append(picked, visible[i])
		}
	}
	return picked, nil
}

func missing(by, id string, there int) error {
	return hint.New(fmt.Sprintf("%s names the GPU %s, which is not there", by, id), "%d may be used here, which are numbered from 0; sealift doctor gpu says more", there)
}

// places says where the members of some are in all; what is not there is left out.
func places(some, all []int) string {
	var texts []string
	for _, s := range some {
		if i := slices.Index(all, s); i >= 0 {
			texts = append(texts, strconv.Itoa(i))
		}
	}
	return strings.Join(texts, ",")
}

func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func list(value string) []string {
	return strings.FieldsFunc(value, func(c rune) bool { return c == ',' || c == ' ' })
}

// lookup returns a variable of an environment, of which the last counts.
func lookup(environ []string, name string) (value string, given bool) {
	for _, e := range slices.Backward(environ) {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value, true
		}
	}
	return "", false
}
