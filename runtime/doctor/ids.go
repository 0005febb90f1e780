package doctor

import (
	"fmt"
	"strings"

	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/identity"
)

func (f *Findings) subids() Check {
	h, s := f.Host, f.SubIDs
	c := Check{State: Absent, Effect: "with --fakeroot there is no other user than root; builds emulate the others"}
	uids, gids := ample(h.SubUIDs), ample(h.SubGIDs)
	programs := h.NewUIDMap != "" && h.NewGIDMap != ""
	switch {
	case f.root():
		return works("not needed: root has all ids")
	case !uids || !gids:
		c.Found = fmt.Sprintf("user ids: %s; group ids: %s", ranges(h.SubUIDs), ranges(h.SubGIDs))
		if len(h.SubUIDs)+len(h.SubGIDs) > 0 {
			c.Found += fmt.Sprintf("; a range needs %d of each", identity.MinRange)
		}
		c.Fix = f.grant(!uids, !gids)
		if !programs {
			c.Fix += "\n" + installMaps
		}
	case !programs && s.Elsewhere != "":
		c.Found = s.Elsewhere + " is not used: newuidmap and newgidmap have to be in /usr/bin"
		c.Fix = installMaps
	case !programs:
		c.Found = fmt.Sprintf("ids %s, but newuidmap or newgidmap is missing in /usr/bin", ranges(h.SubUIDs))
		c.Fix = installMaps
	case s.Trial.Skipped:
		return f.skipped(c)
	case s.Trial.Err != "":
		return f.notMapped(c)
	default:
		return works("ids %s", ranges(h.SubUIDs))
	}
	return c
}

// installMaps is for who lacks the programs.
const installMaps = "as root: apt-get install uidmap (Debian, Ubuntu), dnf install shadow-utils (Fedora, RHEL) or zypper install shadow (SUSE)"

// notMapped is about programs that do not do their work.
func (f *Findings) notMapped(c Check) Check {
	c.State, c.Found = Warning, f.SubIDs.Trial.Err
	c.Effect = "--fakeroot fails"
	powerless := func(p MapProgram) bool { return !p.SetUID && !p.Caps }
	switch u, g := f.SubIDs.UIDMap, f.SubIDs.GIDMap; {
	case f.UserNS.NoNewPrivs:
		c.Fix = "start it from a process that may gain privileges: this one has no_new_privs (systemd: NoNewPrivileges=no)"
	case u.NoSUID || g.NoSUID:
		c.Fix = asRoot("mount the file system of %s without nosuid", f.Host.NewUIDMap)
	case powerless(u) || powerless(g):
		c.Fix = asRoot("chmod u+s %s %s", f.Host.NewUIDMap, f.Host.NewGIDMap)
	default:
		c.Fix = remedy(f.SubIDs.Trial.Hint)
	}
	return c
}

// grant gives the caller ranges that are nobody's.
func (f *Findings) grant(uids, gids bool) string {
	first := max(f.SubIDs.Next, 100000)
	span := fmt.Sprintf("%d-%d", first, first+identity.MinRange-1)
	var flags strings.Builder
	if uids {
		flags.WriteString(" --add-subuids " + span)
	}
	if gids {
		flags.WriteString(" --add-subgids " + span)
	}
	return asRoot("usermod%s %s", flags.String(), f.user())
}

func ample(list []host.Range) bool {
	for _, r := range list {
		if r.Count >= identity.MinRange {
			return true
		}
	}
	return false
}

// ranges lists ids: 100000-165535.
func ranges(list []host.Range) string {
	var out []string
	for _, r := range list {
		out = append(out, fmt.Sprintf("%d-%d", r.First, r.First+r.Count-1))
	}
	return join(out)
}
