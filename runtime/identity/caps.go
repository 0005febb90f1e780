package identity

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/starter/plan"
)

// capabilities decides on the sets of the payload. Root has all capabilities, of
// its user namespace where it is in one; everybody else has none. What is added
// is good for what the user namespace owns: it allows nothing on the host.
func (id *Identity) capabilities(w Wish, f *host.Facts) error {
	uid, _ := id.Inside()
	switch {
	case w.KeepPrivs && uid != 0:
		return hint.New("--keep-privs requires root privileges: other users have none to keep", "add --fakeroot to be root inside, or --add-caps")
	case w.AllowSetuid && id.User:
		return hint.New("--allow-setuid requires root privileges: in a user namespace of your own a set-user-ID program could become nobody else",
			"leave it out, or use --fakeroot to be root inside")
	}
	set, err := parseCaps("--add-caps", w.AddCaps)
	if err != nil {
		return err
	}
	drop, err := parseCaps("--drop-caps", w.DropCaps)
	if err != nil {
		return err
	}
	if set == math.MaxUint64 {
		set = known(f)
	}
	switch {
	case uid == 0 && w.NoPrivs:
		id.Why.Caps = "--no-privs"
	case uid == 0:
		set, id.Why.Caps = math.MaxUint64, "root has them"
	default:
		id.Why.Caps = "only root has any"
	}
	id.KeepCaps = plan.FormatCaps(set &^ drop)
	id.explainCaps(w, uid)
	if id.Ranged() {
		// The starter is executed before its ids are mapped, and is not root then.
		id.SetupCaps = plan.FormatCaps(known(f))
	}
	id.Setuid = w.AllowSetuid && !w.NoPrivs && id.Payload == nil
	if uid == 0 || id.KeepCaps == "" {
		return nil
	}
	if id.Payload != nil {
		return hint.New("--add-caps: a payload that becomes another user has no capabilities", "leave out --security uid and gid, or --add-caps")
	}
	id.RaiseCaps, id.SetupCaps = id.KeepCaps, id.KeepCaps
	return nil
}

// explainCaps completes why the payload has its capabilities.
func (id *Identity) explainCaps(w Wish, uid uint32) {
	if w.AddCaps != "" && (uid != 0 || w.NoPrivs) {
		id.Why.Caps += ", but for --add-caps"
	}
	if w.DropCaps != "" {
		id.Why.Caps += ", less --drop-caps"
	}
	if id.User && id.KeepCaps != "" {
		id.Why.Caps += "; over what the user namespace owns"
	}
}

// parseCaps reads the list of an option.
func parseCaps(option, list string) (uint64, error) {
	set, err := plan.ParseCaps(strings.ReplaceAll(list, " ", ""))
	if err != nil {
		return 0, hint.Wrap(fmt.Errorf("%s: %w", option, err), "see capabilities(7) for their names, such as CAP_NET_RAW; all names each of them")
	}
	return set, nil
}

// lastNamed is the last capability of plan.ParseCaps, CAP_CHECKPOINT_RESTORE.
const lastNamed = 40

// known are the capabilities that this kernel has, of those with names.
func known(f *host.Facts) uint64 {
	last := uint64(lastNamed)
	text, err := f.ReadFile("/proc/sys/kernel/cap_last_cap", 16)
	if n, err2 := strconv.ParseUint(strings.TrimSpace(text), 10, 6); err == nil && err2 == nil {
		last = min(last, n)
	}
	return math.MaxUint64 >> (63 - last)
}
