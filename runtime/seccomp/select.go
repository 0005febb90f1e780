package seccomp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sealift/sealift/starter/plan"
)

// Target is what a profile's program is for.
type Target struct {
	// Arch is the machine's architecture by Go's name.
	Arch string
	// Kernel is the kernel's release: 6.18.0-1-amd64.
	Kernel string
	// Caps are the capabilities that the payload may have, as bits.
	Caps uint64
}

// check refuses a selection that cannot be understood.
func (s *selection) check() error {
	if _, err := s.caps(); err != nil {
		return err
	}
	if s.MinKernel != "" {
		if _, ok := version(s.MinKernel); !ok {
			return fmt.Errorf("minKernel %q is no version", s.MinKernel)
		}
	}
	return nil
}

// caps are the capabilities that s names.
func (s *selection) caps() (uint64, error) { return plan.ParseCaps(strings.Join(s.Caps, ",")) }

// applies tells whether a rule is there for t.
func (r *rule) applies(t Target) bool {
	with, err := r.Includes.caps()
	without, err2 := r.Excludes.caps()
	switch {
	case err != nil || err2 != nil: // check has refused that
		return false
	case t.Caps&with != with, t.Caps&without != 0:
		return false
	case len(r.Includes.Arches) > 0 && !slices.Contains(r.Includes.Arches, t.Arch), slices.Contains(r.Excludes.Arches, t.Arch):
		return false
	case r.Includes.MinKernel != "" && !atLeast(t.Kernel, r.Includes.MinKernel):
		return false
	}
	return r.Excludes.MinKernel == "" || !atLeast(t.Kernel, r.Excludes.MinKernel)
}

// atLeast tells whether a kernel is of a version or a later one. One whose
// release says nothing is taken for an old one.
func atLeast(release, least string) bool {
	have, ok := version(release)
	want, ok2 := version(least)
	return ok && ok2 && slices.Compare(have[:], want[:]) >= 0
}

// version reads MAJOR.MINOR in front of anything else.
func version(release string) (v [2]uint64, ok bool) {
	major, rest, _ := strings.Cut(release, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	for i, digits := range []string{major, rest[:end]} {
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			return v, false
		}
		v[i] = n
	}
	return v, true
}
