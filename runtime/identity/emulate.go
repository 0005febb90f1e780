package identity

import (
	"fmt"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/starter/plan"
)

// Emulation is how the program of a build may act as root where only one id is
// mapped. Real root needs none, and gets none.
type Emulation string

// The choices. The zero value is EmulateOff.
const (
	// EmulateAuto is the best that the kernel allows: EmulateFull, or where
	// seccomp has no user notification, calls that only seem to succeed.
	EmulateAuto Emulation = "auto"
	// EmulateFull has calls about owners and ids succeed, and shows what came
	// of them.
	EmulateFull Emulation = "full"
	// EmulateFast is the same, but root seems to own every file.
	EmulateFast Emulation = "fast"
	// EmulateOff has such calls fail.
	EmulateOff Emulation = "off"
)

// silent is the mode of last resort.
const silent = "silent"

// OnlySeems tells whether mode, from Identity.Emulation, has calls succeed
// without effect, on whatever file.
func OnlySeems(mode string) bool { return mode == silent }

// ParseEmulation returns the choice that text names.
func ParseEmulation(text string) (Emulation, error) {
	switch e := Emulation(text); e {
	case EmulateAuto, EmulateFull, EmulateFast, EmulateOff:
		return e, nil
	}
	return "", hint.New(fmt.Sprintf("unknown way %q of emulating root", text), "use auto, full, fast or off")
}

// Emulation returns the argument of plan.Emulate that the choice comes to for
// id, empty for none.
func (id *Identity) Emulation(e Emulation, f *host.Facts) (string, error) {
	if !id.User || id.Ranged() {
		return "", nil
	}
	// The supervisor finds processes by their numbers in a procfs of its own.
	possible := f.UserNotify && !f.ProcMasked
	switch e {
	case EmulateAuto:
		if possible {
			return string(EmulateFull), nil
		}
		return silent, nil
	case EmulateFull, EmulateFast:
		if !possible {
			return "", hint.New("root cannot be emulated here: seccomp's user notification is missing or taken, or part of /proc is hidden",
				"use a kernel from 5.5 on, leave the container that this runs in, or choose --root-emulation=auto")
		}
		return string(e), nil
	}
	return "", nil
}

// Become refuses a user that a program cannot be: with root alone mapped, and
// without an emulation, which is the argument of plan.Emulate. Nil is root.
func (id *Identity) Become(u *plan.User, emulation string) error {
	if u == nil || u.UID == 0 && u.GID == 0 || !id.User || emulation != "" {
		return nil
	}
	return hint.New(fmt.Sprintf("user %d:%d cannot run the program: only root is mapped, and it is not emulated", u.UID, u.GID),
		"leave --root-emulation at auto, or build as root")
}
