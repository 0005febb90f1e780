package launch

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/starter/plan"
)

// setupCaps returns the capabilities that the starter needs in its user
// namespace. A new one grants its first process all of them, but an execve(2)
// by a user other than root keeps only ambient ones: to mount and set the host
// name (SYS_ADMIN), to drop from the bounding set (SETPCAP), to change root
// where there is no pivoting (SYS_CHROOT); the others are for overlayfs, which
// copies files with the capabilities of whoever mounted it. All apply to files
// of ids mapped here, that is the caller's own, only. NET_ADMIN sets up a network
// namespace of the container's own; the plan may name more.
func setupCaps(c plan.Clone) ([]uintptr, error) {
	caps := []uintptr{
		unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP, unix.CAP_SYS_CHROOT,
		unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_SETFCAP,
	}
	if c.Net {
		caps = append(caps, unix.CAP_NET_ADMIN)
	}
	more, err := plan.ParseCaps(c.Caps)
	if err != nil {
		return nil, err
	}
	for n := range uintptr(64) {
		if more&(1<<n) != 0 && !slices.Contains(caps, n) {
			caps = append(caps, n)
		}
	}
	return caps, nil
}

// attributes returns what clone(2) is asked for.
func attributes(c plan.Clone, mapHere bool) (*syscall.SysProcAttr, error) {
	a := &syscall.SysProcAttr{}
	for _, n := range []struct {
		on   bool
		flag uintptr
	}{
		{c.User, unix.CLONE_NEWUSER}, {c.Mount, unix.CLONE_NEWNS}, {c.PID, unix.CLONE_NEWPID},
		{c.UTS, unix.CLONE_NEWUTS}, {c.IPC, unix.CLONE_NEWIPC}, {c.Net, unix.CLONE_NEWNET},
	} {
		if n.on {
			a.Cloneflags |= n.flag
		}
	}
	if !c.User {
		return a, nil
	}
	var err error
	if a.AmbientCaps, err = setupCaps(c); err != nil {
		return nil, err
	}
	if mapHere {
		a.UidMappings, a.GidMappings = sysMaps(c.UIDs), sysMaps(c.GIDs)
		a.GidMappingsEnableSetgroups = mayKeepGroups()
	}
	return a, nil
}

// setgroupsAllowed says whether the caller's user namespace has setgroups(2). One
// that an ordinary user made for itself does not, be it root in there.
func setgroupsAllowed() bool {
	text, err := os.ReadFile("/proc/self/setgroups")
	return err != nil || strings.TrimSpace(string(text)) == "allow"
}

func sysMaps(maps []plan.IDMap) []syscall.SysProcIDMap {
	var out []syscall.SysProcIDMap
	for _, m := range maps {
		out = append(out, syscall.SysProcIDMap{
			ContainerID: int(m.Inside), HostID: int(m.Outside), Size: int(m.Size),
		})
	}
	return out
}

// mayKeepGroups reports whether this process may map groups and leave setgroups(2)
// usable: that takes a capability, and is passed on only by a namespace that has
// it (user_namespaces(7)).
func mayKeepGroups() bool { return has(unix.CAP_SETGID) && setgroupsAllowed() }

// has reports whether this process has a capability below 32. An ordinary user's
// has none that is of use here.
func has(capability int) bool {
	if os.Geteuid() != 0 {
		return false
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	return unix.Capget(&hdr, &sets[0]) == nil && sets[0].Effective&(1<<capability) != 0
}

// mayMap reports whether this process may write the maps of c by itself: with
// root's capabilities it may write any, else one line with its own id.
func mayMap(c plan.Clone) bool {
	if !c.User || has(unix.CAP_SETUID) && has(unix.CAP_SETGID) {
		return true
	}
	own := func(maps []plan.IDMap, id int) bool {
		return len(maps) == 0 || len(maps) == 1 && maps[0].Size == 1 && int(maps[0].Outside) == id
	}
	return own(c.UIDs, os.Geteuid()) && own(c.GIDs, os.Getegid())
}

// mapIDs has the set-user-ID helpers map the ids of pid's user namespace, whose
// process waits for its plan meanwhile.
func mapIDs(pid int, c plan.Clone, j Job) error {
	if err := runHelper("newuidmap", j.NewUIDMap, pid, c.UIDs); err != nil {
		return err
	}
	return runHelper("newgidmap", j.NewGIDMap, pid, c.GIDs)
}

func runHelper(name, path string, pid int, maps []plan.IDMap) error {
	if path == "" {
		return hint.New(name+" is needed to map a range of ids, and is not installed",
			"install %s (package uidmap or shadow-utils)", name)
	}
	args := []string{strconv.Itoa(pid)}
	for _, m := range maps {
		for _, n := range []uint32{m.Inside, m.Outside, m.Size} {
			args = append(args, strconv.FormatUint(uint64(n), 10))
		}
	}
	cmd := exec.Command(path, args...)
	cmd.Env = []string{}
	if out, err := cmd.CombinedOutput(); err != nil {
		err = fmt.Errorf("%s: %w: %s", path, err, strings.TrimSpace(string(out)))
		return hint.Wrap(err, "check the ranges of this user in /etc/subuid and /etc/subgid")
	}
	return nil
}
