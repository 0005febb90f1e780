package seccomp

import "slices"

// verdict is what happens to a call: what the first clause says whose conditions
// are met, or else the action.
type verdict struct {
	action  uint32
	clauses []clause
	final   bool // a rule without conditions has decided
}

// clause is an action under conditions, all of which must be met.
type clause struct {
	conditions []argument
	action     uint32
}

// add takes up what one more rule says.
func (v *verdict) add(c clause) {
	switch {
	case v.final:
	case len(c.conditions) == 0:
		*v = verdict{action: c.action, final: true}
	default:
		v.clauses = append(slices.Clone(v.clauses), c)
	}
}

// same tells whether v and w treat calls alike.
func (v *verdict) same(w verdict) bool {
	return v.action == w.action && slices.EqualFunc(v.clauses, w.clauses, func(a, b clause) bool {
		return a.action == b.action && slices.Equal(a.conditions, b.conditions)
	})
}

// clauses returns those of a rule: all of its conditions must be met, but if two
// are on one argument each is a rule of its own, as Docker has always read that.
func clauses(conditions []argument, action uint32) []clause {
	seen := map[uint]bool{}
	for _, c := range conditions {
		if seen[c.Index] {
			var out []clause
			for _, c := range conditions {
				out = append(out, clause{[]argument{c}, action})
			}
			return out
		}
		seen[c.Index] = true
	}
	return []clause{{conditions, action}}
}
