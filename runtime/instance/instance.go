// Package instance keeps what is known of the containers that a user runs in the
// background on this machine: who supervises each, which process it is, and what it
// wrote.
//
// Input: who the user is, and the variables that say where such things are kept. Output:
// claims on names, states, log files, and processes that are safe to send signals to.
// What it reads may be forged, by whatever runs as the same user: a claim counts as long
// as somebody holds a lock, and a process as long as its start time is the recorded one.
// It starts and ends no container, and must not print.
//
// The directory is sealift/instances in XDG_RUNTIME_DIR, or /tmp/sealift-UID/instances,
// and has one directory for each job of the batch system, by its number or "none", with
// one for each instance:
//
//	lock      locked (F_OFD_SETLK of fcntl(2)) by the supervisor as long as it lives
//	state     a State in JSON, written whole
//	stop      exists when the instance is to end and not to be restarted
//	NAME.out  what the payload wrote, and NAME.out.1 before that; likewise NAME.err
package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Statuses of an instance.
const (
	Starting = "starting" // the payload does not run yet
	Running  = "running"
	Ended    = "ended" // by itself, and failed
)

// Healths of an instance with a check, besides Starting.
const (
	Healthy   = "healthy"
	Unhealthy = "unhealthy"
)

// State is what others know of an instance.
type State struct {
	Name string `json:"name"`
	// Image is the absolute path of the image, or what the user called it.
	Image  string `json:"image"`
	Status string `json:"status"`
	// Host tells where the numbers of processes are valid (Here).
	Host string `json:"host"`
	// Supervisor is the process that started the container and serves its image,
	// Init the container's first one, with PID 0 when there is none.
	Supervisor Process `json:"supervisor"`
	Init       Process `json:"init"`
	// Health is empty without a health check, or starting, healthy or unhealthy.
	Health string `json:"health,omitempty"`
	// Restarts counts them; Exit is the exit status of the last container that ended.
	Restarts int `json:"restarts,omitempty"`
	Exit     int `json:"exit,omitempty"`
	// Since is when it got its status.
	Since time.Time `json:"since"`
	// Container is what joins the container go by (spec.Joinable).
	Container json.RawMessage `json:"container,omitempty"`
}

// maxState bounds a state in bytes. A seccomp program takes 64 KiB of it at most.
const maxState = 1 << 20

// parse reads the state of the instance name. What is not plausible is an error.
func parse(text []byte, name string) (*State, error) {
	s := &State{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("its state is malformed: %w", err)
	}
	switch {
	case s.Name != name:
		return nil, fmt.Errorf("its state is of %q", s.Name)
	case !slices.Contains([]string{Starting, Running, Ended}, s.Status) || !slices.Contains([]string{"", Starting, Healthy, Unhealthy}, s.Health):
		return nil, errors.New("its state has no known status")
	case !s.Supervisor.plausible() || s.Init.PID != 0 && !s.Init.plausible():
		return nil, errors.New("its state names an impossible process")
	}
	return s, nil
}

// maxName keeps the names of log files within NAME_MAX.
const maxName = 200

// CheckName refuses what cannot be the name of an instance.
func CheckName(name string) error {
	valid := name != "" && name != "." && name != ".." && len(name) <= maxName
	for _, c := range []byte(name) {
		valid = valid && ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-')
	}
	if !valid {
		return hint.New(fmt.Sprintf("%q is not a valid instance name", name), "use letters, digits, dots, hyphens and underscores, %d at most", maxName)
	}
	return nil
}
