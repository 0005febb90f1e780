package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/e2e/vm"
)

// wants is what is expected of a case: parts of its output, and its status.
type wants struct {
	name, command string
	group         string // that the command is started in
	user          bool   // who runs it, not root
	status        int
	text          string // parts, separated by |
}

// machine returns one with Sealift and an image, at /work; it is made by root alone.
func machine(t *testing.T, setup string, list []wants) (*vm.Machine, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		apart.Skip(t, "the machines' files are made by root")
	}
	if _, err := exec.LookPath(vm.Emulator); err != nil {
		apart.Skip(t, "no "+vm.Emulator)
	}
	cache, err := filepath.Abs(".fixtures")
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := vm.Kernel(t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	sealift, image := busyboxImage(t)
	m := &vm.Machine{Kernel: kernel, Setup: setup, Files: map[string]string{"work/bb.sif": image}}
	for _, name := range []string{"sealift", "sealift-full", "sealift-starter"} {
		m.Files["bin/"+name] = filepath.Join(filepath.Dir(sealift), name)
	}
	for _, w := range list {
		m.Cases = append(m.Cases, vm.Case{Name: w.name, Command: w.command, Group: w.group, As: w.user})
	}
	return m, cache
}

// compare holds the cases to what is expected.
func compare(t *testing.T, list []wants, found map[string]vm.Result, console string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%v: %s", err, console)
	}
	for _, w := range list {
		r, ended := found[w.name]
		for part := range strings.SplitSeq(w.text, "|") {
			if ended && !strings.Contains(r.Output, part) {
				t.Errorf("%s: no %q in\n%s", w.name, part, r.Output)
			}
		}
		if ended && r.Status != w.status {
			t.Errorf("%s: status %d, want %d:\n%s", w.name, r.Status, w.status, r.Output)
		}
	}
}

// delegation makes groups of version 2: job, and step in it, belong to the user, as
// systemd and batch systems delegate; shared has a process of root's besides, in a group
// that is the user's; closed is root's.
const delegation = `
C=/sys/fs/cgroup
echo "+cpu +memory +pids +cpuset +io" >$C/cgroup.subtree_control
give() { mkdir -p $C/$1; chown 1001:1001 $C/$1; for f in $(cat /sys/kernel/cgroup/delegate); do [ ! -e $C/$1/$f ] || chown 1001:1001 $C/$1/$f; done; }
give job; give deep; give deep/shell; give shared; give pair; give pair/shell; give fresh; mkdir $C/closed
sleep 1000 & echo $! >$C/shared/cgroup.procs
sleep 1000 & echo $! >$C/pair/shell/cgroup.procs
cd /work
`

// TestVersion2 limits containers in version 2 of control groups, in a virtual machine.
func TestVersion2(t *testing.T) {
	list := []wants{
		{"memory", `sealift exec --memory 24M /work/bb.sif sh -c 'tail /dev/zero'; echo "status $?"; cat /proc/self/cgroup /sys/fs/cgroup/job/cgroup.subtree_control`, "job", true, 0, "sealift: the container was killed: it used up its memory limit of 24 MiB (peak 24 MiB)|status 137|0::/job/sealift-callers|memory"},
		{"in the leaf", `sealift exec --memory 24M --dry-run /work/bb.sif true | grep cgroup; sealift exec --memory 24M /work/bb.sif cat /proc/self/cgroup`, "job/sealift-callers", true, 0, "cgroup make /sys/fs/cgroup/job/sealift-|0::/job/sealift-"},
		{"files in memory", `sealift exec --contain --memory 24M /work/bb.sif dd if=/dev/zero of=/tmp/x bs=1M count=64`, "job/sealift-callers", true, 137, "memory limit of 24 MiB"},
		{"processes", `sealift exec --pids-limit 30 /work/bb.sif sh -c 'for i in $(seq 40); do sleep 3 & done; wait'`, "job/sealift-callers", true, 2, "can't fork: Resource temporarily unavailable"},
		{"fork bomb", `sealift exec --pids-limit 40 /work/bb.sif timeout -s KILL 120 sh -c 'b() { b | b & }; (b) & i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; exit 7'`, "job/sealift-callers", true, 7, "can't fork"},
		{"processor time", `sealift exec --cpus 0.3 --stats=json:/tmp/s.json /work/bb.sif sh -c "timeout 4 sh -c 'while :; do :; done'; true"; cat /tmp/s.json;
			awk -F '[:,]' '/cpu_user|cpu_system/ {s += $2} /wall/ {w = $2} END {exit !(s / w > 0.2 && s / w < 0.33)}' /tmp/s.json && echo within`, "job/sealift-callers", true, 0, "within"},
		{"statistics", `sealift exec --stats /work/bb.sif sh -c 'x=$(head -c 8m /dev/zero | tr "\0" x)'`, "job/sealift-callers", true, 0, "peak memory     |processor time  |0 B read|peak processes  "},
		{"processors", `sealift exec --cpuset-cpus 1 /work/bb.sif grep Cpus_allowed_list /proc/self/status`, "job/sealift-callers", true, 0, "\t1"},
		{"a processor that there is not", `sealift exec --cpuset-cpus 5 /work/bb.sif true`, "job/sealift-callers", true, 125, "the set of processors cannot be set|sealift: hint: choose"},
		{"left behind", `sealift exec --no-pid --pids-limit 60 /work/bb.sif sh -c 'sleep 77 & exit 5'; s=$?; pgrep -f 'sleep 77'; exit $s`, "job/sealift-callers", true, 5, ""},
		{"shares and swap", `sealift exec --memory 64M --memory-swap 64M --memory-reservation 16M --cpu-shares 512 /work/bb.sif echo fine`, "job/sealift-callers", true, 0, "fine"},
		{"no such limit", `sealift exec --oom-kill-disable /work/bb.sif true`, "job/sealift-callers", true, 125, "no switch of the OOM killer can be set: version 2"},
		{"a file", `printf '[unified]\n"memory.high" = "16M"\n' >/tmp/l.toml; sealift exec --dry-run --apply-cgroups /tmp/l.toml /work/bb.sif true | grep write; sealift exec --apply-cgroups /tmp/l.toml /work/bb.sif echo fine`, "job/sealift-callers", true, 0, "memory.high 16M|fine"},
		{"fake root", `sealift exec --fakeroot --memory 24M /work/bb.sif sh -c 'id -u; tail /dev/zero'`, "job/sealift-callers", true, 137, "0\n|memory limit of 24 MiB"},
		{"a delegated group above", `sealift exec --memory 24M /work/bb.sif cat /proc/self/cgroup; cat /proc/self/cgroup`, "deep/shell", true, 0, "0::/deep/shell/sealift-|0::/deep/shell/sealift-callers"},
		{"beside", `sealift exec --memory 24M /work/bb.sif cat /proc/self/cgroup; cat /proc/self/cgroup`, "pair/shell", true, 0, "0::/pair/sealift-|0::/pair/shell"},
		{"shared", `sealift exec --memory 24M /work/bb.sif true`, "shared", true, 125, "no memory limit can be set: /sys/fs/cgroup/shared can pass no memory on, as it has processes of others|Delegate=yes"},
		{"closed", `sealift exec --pids-limit 24 /work/bb.sif true`, "closed", true, 125, "no limit of processes can be set: no group can be made in /sys/fs/cgroup/closed: |sealift: hint: start it by systemd-run --user --scope -p Delegate=yes"},
		{"statistics without a group", `sealift exec --stats /work/bb.sif sh -c 'exit 3'`, "closed", true, 3, "peak processes  unknown|not of the whole"},
		{"root", `sealift exec --memory 24M --userns /work/bb.sif tail /dev/zero`, "", false, 137, "memory limit of 24 MiB"},
		{"at once", `for i in 1 2 3 4; do sealift exec --memory 40M /work/bb.sif echo ok & done; wait`, "fresh", true, 0, "ok\nok\nok\nok"},
		{"nothing is left", `find /sys/fs/cgroup -name 'sealift-[0-9]*'; find /tmp -name '.sealift*'`, "", false, 0, ""},
	}
	m, _ := machine(t, delegation, list)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	found, console, err := m.Small(ctx, t.TempDir())
	compare(t, list, found, console, err)
	if r := found["nothing is left"]; r.Output != "" {
		t.Errorf("left: %s", r.Output)
	}
}

// TestSystemd limits containers where systemd manages the control groups: in a scope that
// was delegated, and else in one that systemd is asked for.
func TestSystemd(t *testing.T) {
	list := []wants{
		{"asked", `sealift exec --memory 24M /work/bb.sif sh -c 'cat /proc/self/cgroup; tail /dev/zero'`, "", true, 137, "/user@1001.service/app.slice/sealift-|.scope/sealift-|it used up its memory limit of 24 MiB (peak 24 MiB)"},
		{"processes", `sealift exec --pids-limit 30 /work/bb.sif sh -c 'for i in $(seq 40); do sleep 3 & done; wait'`, "", true, 2, "can't fork: Resource temporarily unavailable"},
		{"statistics", `sealift exec --memory 64M --cpus 0.5 --stats /work/bb.sif true`, "", true, 0, "peak memory     |peak processes  "},
		{"delegated", `systemd-run --user --scope -q -p Delegate=yes sh -c 'sealift exec --dry-run --memory 24M /work/bb.sif true | grep "^cgroup"; sealift exec --memory 24M /work/bb.sif cat /proc/self/cgroup; cat /proc/self/cgroup'`, "", true, 0,
			"cgroup leaf |.scope/sealift-callers|/app.slice/run-|.scope/sealift-"},
		{"delegated, without D-Bus", `systemd-run --user --scope -q -p Delegate=yes env -u DBUS_SESSION_BUS_ADDRESS XDG_RUNTIME_DIR=/none sealift exec --memory 24M /work/bb.sif tail /dev/zero`, "", true, 137, "memory limit of 24 MiB"},
		{"not delegated", `systemd-run --user --scope -q sh -c 'sealift exec --dry-run --memory 24M /work/bb.sif true | grep "^cgroup"; sealift exec --memory 24M /work/bb.sif cat /proc/self/cgroup'`, "", true, 0, "cgroup scope +memory|/app.slice/sealift-"},
		{"nobody to ask", `XDG_RUNTIME_DIR=/none sealift exec --memory 24M /work/bb.sif true`, "", true, 125, "no memory limit can be set: |Delegate=yes"},
		{"a controller that the user has not", `sealift exec --cpuset-cpus 0 /work/bb.sif true`, "", true, 125, "has not all of the controllers cpuset|ask the administrator for Delegate=cpu cpuset io memory pids"},
		{"at once", `for i in 1 2 3 4; do sealift exec --memory 40M /work/bb.sif echo ok & done; wait`, "", true, 0, "ok\nok\nok\nok"},
		{"doctor", `sealift doctor | grep -A3 -i cgroup`, "", true, 0, "none can be made, but systemd makes them, with"},
		{"root", `sealift exec --memory 24M /work/bb.sif sh -c 'cat /proc/self/cgroup; tail /dev/zero'`, "", false, 137, "/system.slice/sealift-|memory limit of 24 MiB"},
		{"instance", `export XDG_RUNTIME_DIR=/run/user/1001; sealift instance start --memory 64M /work/bb.sif a && sealift exec instance://a sh -c 'cat /proc/self/cgroup; tail /dev/zero'; echo "status $?"; sealift instance stop a`, "", true, 0, ".scope/sealift-|status 137"},
		{"nothing is left", `sleep 1; find /sys/fs/cgroup -name 'sealift-[0-9]*'`, "", false, 0, ""},
	}
	m, cache := machine(t, "export PATH=/work:$PATH\nfor m in fuse overlay; do insmod /work/$m.ko; done\nchmod 666 /dev/fuse\ncd /work\n", list)
	m.As = "exec setpriv --reuid 1001 --regid 1001 --clear-groups sh -c "
	for _, module := range []string{"fuse.ko", "overlay.ko"} {
		m.Files[module] = filepath.Join(m.Kernel, module)
	}
	root, err := vm.SystemdRoot(t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	found, console, err := m.Systemd(ctx, root, t.TempDir())
	compare(t, list, found, console, err)
	if r := found["nothing is left"]; r.Output != "" {
		t.Errorf("left: %s", r.Output)
	}
}
