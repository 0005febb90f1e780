package identity

import (
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/starter/plan"
)

// Held is what the kernel says that a container's first process cannot do any more. What
// is kept of the container may be forged by what runs in it as the same user; who joins
// gets no more than this.
type Held struct {
	// Bounding is the bounding set of capabilities, NoNewPrivs that no program gives
	// any (proc_pid_status(5)).
	Bounding   uint64
	NoNewPrivs bool
}

// Confine returns the operations that confine who joins: those of the container, and what
// they keep no more than h.
func (h Held) Confine(ops []plan.Op) ([]plan.Op, error) {
	var out []plan.Op
	dropped := false
	for _, op := range ops {
		switch op.Verb {
		case plan.Label, plan.Raisecaps, plan.Seccomp:
		case plan.Dropcaps, plan.Limitcaps:
			if len(op.Args) != 1 {
				return nil, errForged
			}
			keep, err := plan.ParseCaps(op.Args[0])
			if err != nil {
				return nil, errForged
			}
			if named := uint64(1)<<plan.NamedCaps() - 1; keep&named&^h.Bounding != 0 {
				op.Args = []string{plan.FormatCaps(keep & named & h.Bounding)}
			}
			if h.NoNewPrivs {
				op.Verb = plan.Dropcaps
			}
			dropped = true
		default:
			return nil, errForged
		}
		out = append(out, op)
	}
	if !dropped {
		return nil, errForged
	}
	return out, nil
}

// errForged is about what is kept of a container.
var errForged = hint.New("what is kept of the instance is not what was written there", "stop the instance, and start it again")
