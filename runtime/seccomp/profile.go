// Package seccomp compiles seccomp profiles, in the form of the OCI runtime
// specification and in Docker's, which adds conditions to it.
//
// Input: a profile's text, and what it depends on: machine, kernel and
// capabilities. Output: a BPF program for plan.Seccomp. It is pure, and installs
// nothing.
//
// A rule without conditions on arguments decides about its calls, whatever other
// rules say; of several with conditions the first that is met decides. Calls of
// an architecture that the profile does not name kill the process. Names that a
// machine does not have are passed over, as each machine has others.
package seccomp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/sealift/sealift/buildcfg/hint"
)

// MaxProfile bounds the size of a profile, in bytes.
const MaxProfile = 4 << 20

// Profile is a profile as it is written (config-linux.md of the OCI runtime
// specification, "Seccomp"; profiles/seccomp of Docker; seccomp.json(5) of Podman).
type Profile struct {
	DefaultAction   string   `json:"defaultAction"`
	DefaultErrnoRet *uint    `json:"defaultErrnoRet"`
	DefaultErrno    string   `json:"defaultErrno"` // by name, as Podman's profile has it
	Architectures   []string `json:"architectures"`
	ArchMap         []family `json:"archMap"`
	Flags           []string `json:"flags"`
	Syscalls        []rule   `json:"syscalls"`
	// Calls that a supervisor decides about are not for containers that have none.
	ListenerPath     string `json:"listenerPath"`
	ListenerMetadata string `json:"listenerMetadata"`
}

// family is a machine's architecture and others whose programs it runs.
type family struct {
	Architecture     string   `json:"architecture"`
	SubArchitectures []string `json:"subArchitectures"`
}

// rule says what happens to some calls.
type rule struct {
	Name     string     `json:"name"` // of old profiles
	Names    []string   `json:"names"`
	Action   string     `json:"action"`
	ErrnoRet *uint      `json:"errnoRet"`
	Errno    string     `json:"errno"` // by name
	Args     []argument `json:"args"`
	Comment  string     `json:"comment"`
	Includes selection  `json:"includes"`
	Excludes selection  `json:"excludes"`
	// Older ones have the priority that nothing has used.
	Priority int `json:"priority"`
}

// argument is a condition on one argument of a call.
type argument struct {
	Index    uint   `json:"index"`
	Value    uint64 `json:"value"`
	ValueTwo uint64 `json:"valueTwo"`
	Op       string `json:"op"`
}

// selection says for which containers a rule is there.
type selection struct {
	Caps      []string `json:"caps"`
	Arches    []string `json:"arches"`
	MinKernel string   `json:"minKernel"`
}

const profileRemedy = "see the OCI runtime specification, config-linux.md, for what a seccomp profile may hold"

// Parse reads a profile. What it does not understand it refuses: a rule that is
// passed over would leave a hole.
func Parse(text []byte) (*Profile, error) {
	p := &Profile{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(p)
	if _, more := d.Token(); err == nil && more != io.EOF {
		err = errors.New("something follows its end")
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("unexpected end of the file")
	}
	if err == nil {
		err = p.check()
	}
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("seccomp profile: %w", err), profileRemedy)
	}
	return p, nil
}

// check refuses what no machine could make sense of.
func (p *Profile) check() error {
	switch {
	case p.DefaultAction == "":
		return errors.New("it has no defaultAction")
	case len(p.Architectures) > 0 && len(p.ArchMap) > 0:
		return errors.New("it has both architectures and archMap")
	case p.ListenerPath != "":
		return errors.New("a supervisor at listenerPath is not supported")
	}
	if _, err := p.otherwise(); err != nil {
		return err
	}
	if _, err := p.flags(); err != nil {
		return err
	}
	names := p.Architectures
	for _, f := range p.ArchMap {
		names = append(append(names, f.Architecture), f.SubArchitectures...)
	}
	for _, name := range names {
		if !knownArchitecture(name) {
			return fmt.Errorf("unknown architecture %q", name)
		}
	}
	for i := range p.Syscalls {
		if err := p.Syscalls[i].check(); err != nil {
			return fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	return nil
}

func (r *rule) check() error {
	if (r.Name == "") == (len(r.Names) == 0) {
		return errors.New("it needs names, or one name")
	}
	if _, err := r.action(); err != nil {
		return err
	}
	for _, a := range r.Args {
		if a.Index > 5 {
			return fmt.Errorf("a call has no argument %d", a.Index)
		}
		if _, known := operators[a.Op]; !known {
			return fmt.Errorf("unknown operator %q", a.Op)
		}
	}
	for _, s := range []selection{r.Includes, r.Excludes} {
		if err := s.check(); err != nil {
			return err
		}
	}
	return nil
}

// otherwise is what happens to calls that no rule is about.
func (p *Profile) otherwise() (uint32, error) {
	return action(p.DefaultAction, p.DefaultErrnoRet, p.DefaultErrno)
}

// action is what the rule has happen.
func (r *rule) action() (uint32, error) { return action(r.Action, r.ErrnoRet, r.Errno) }

// names of the calls that the rule is about.
func (r *rule) names() []string {
	if r.Name != "" {
		return []string{r.Name}
	}
	return r.Names
}
