// Package systemd asks a systemd for a control group that a container may divide: a
// transient scope with Delegate=yes (org.freedesktop.systemd1(5)).
//
// Input: the socket of the manager, which speaks D-Bus without a message bus, and the
// processes to put there. Output: they are in the scope, which ends when its last process
// does. It is the only importer of godbus, and used only where no group is
// delegated to the caller already.
package systemd

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/sealift/sealift/buildcfg/hint"
)

// patience is how long systemd may take.
const patience = 15 * time.Second

// property is one of a unit, as StartTransientUnit takes them.
type property struct {
	Name  string
	Value dbus.Variant
}

// auxiliary is a unit that is started along; there is none.
type auxiliary struct {
	Name       string
	Properties []property
}

// Scope puts processes into a new scope of the manager at a socket. It bears the number of
// the first.
func Scope(socket string, pids ...int) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	name := fmt.Sprintf("sealift-%d.scope", pids[0])
	err := start(ctx, socket, name, pids)
	for _, pid := range pids {
		if err == nil {
			err = arrive(ctx, name, pid)
		}
	}
	if err != nil {
		err = fmt.Errorf("have systemd make a group, by %s: %w", socket, err)
	}
	return hint.Wrap(err, "see 'systemctl --user status', or start it by systemd-run --user --scope -p Delegate=yes")
}

// Attach puts a process into a group below that of a unit of the manager at a socket.
func Attach(socket, unit, group string, pid int) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := call(ctx, socket, "AttachProcessesToUnit", unit, "/"+group, []uint32{uint32(pid)})
	if err == nil {
		err = arrive(ctx, group, pid)
	}
	if err != nil {
		err = fmt.Errorf("have systemd move a process to %s, by %s: %w", unit, socket, err)
	}
	return hint.Wrap(err, "see 'systemctl --user status %s'", unit)
}

// call calls a method of the manager at a socket.
func call(ctx context.Context, socket, method string, args ...any) error {
	var d net.Dialer
	stream, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	conn, err := dbus.NewConn(stream, dbus.WithContext(ctx))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))}); err != nil {
		return err
	}
	manager := conn.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
	return manager.CallWithContext(ctx, "org.freedesktop.systemd1.Manager."+method, 0, args...).Err
}

// start has the manager start the scope.
func start(ctx context.Context, socket, name string, pids []int) error {
	var numbers []uint32
	for _, pid := range pids {
		numbers = append(numbers, uint32(pid))
	}
	properties := []property{
		{"Description", dbus.MakeVariant("Sealift container")},
		{"PIDs", dbus.MakeVariant(numbers)},
		{"Delegate", dbus.MakeVariant(true)},
		{"CollectMode", dbus.MakeVariant("inactive-or-failed")},
	}
	return call(ctx, socket, "StartTransientUnit", name, "fail", properties, []auxiliary{})
}

// arrive waits until the process is in a group of the name: the manager answers before.
func arrive(ctx context.Context, name string, pid int) error {
	for {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "0::") && strings.HasSuffix(strings.TrimSpace(line), "/"+name) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("process %d did not get into %s within %s", pid, name, patience)
		case <-time.After(2 * time.Millisecond):
		}
	}
}
