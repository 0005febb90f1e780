// Package vm runs test scripts in virtual machines, for what the kernel that runs the
// tests does not have: version 2 of control groups with all controllers, and systemd.
//
// Input: a kernel and a root file system, which are made here of Debian's packages, files
// to add, and a script of cases. Output: what each case printed, and its exit status. QEMU
// interprets the machine (TCG), so none of the host's virtualisation is needed, and root
// only to make the file systems.
package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Emulator is the program that runs machines.
const Emulator = "qemu-system-x86_64"

// UID is the ordinary user of the machines, tester.
const UID = 1001

// Case is a command line of the shell, run by root or, with As, by a user.
type Case struct {
	Name    string
	Command string
	// Group is the control group that the command is started in, below the top.
	Group string
	// As says that the ordinary user runs it.
	As bool
}

// Result is how a case went.
type Result struct {
	Output string
	Status int
}

// Machine is one to boot.
type Machine struct {
	// Kernel is a directory of the function Kernel.
	Kernel string
	// Files are added to the root file system: names there, paths here.
	Files map[string]string
	// Setup is a script that runs first.
	Setup string
	Cases []Case
	// As begins a command of the user, which is the next word; empty is Busybox's su.
	As string
}

// user is the environment that a user has after a login, by systemd or without.
const user = `HOME=/home/tester XDG_RUNTIME_DIR=/run/user/1001 PATH=/work:/bin:/usr/bin:/sbin:/usr/sbin`

// script runs the cases. Each begins and ends with a line of its own, as the kernel may
// print in between.
func (m *Machine) script() string {
	var b strings.Builder
	b.WriteString(m.Setup)
	for i, c := range m.Cases {
		command := c.Command
		if c.As {
			as := "exec su -s /bin/sh tester -c "
			if m.As != "" {
				as = m.As
			}
			command = as + quoted("cd /home/tester; export "+user+"; "+command)
		}
		if c.Group != "" {
			command = fmt.Sprintf("echo $$ >/sys/fs/cgroup/%s/cgroup.procs || exit 99; %s", c.Group, command)
		}
		fmt.Fprintf(&b, "echo; echo '@@begin %d'; sh -c %s 2>&1; s=$?; echo; echo \"@@end %[1]d $s\"\n", i, quoted(command))
	}
	return b.String()
}

// quoted is a word of the shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

var ends = regexp.MustCompile(`(?m)^@@(begin|end) (\d+)(?: (\d+))?$`)

// results reads what a console shows.
func (m *Machine) results(console string) (map[string]Result, error) {
	console = strings.ReplaceAll(console, "\r", "")
	found, start := map[string]Result{}, 0
	for _, at := range ends.FindAllStringSubmatchIndex(console, -1) {
		i, err := strconv.Atoi(console[at[4]:at[5]])
		if err != nil || i >= len(m.Cases) {
			return nil, fmt.Errorf("a case of number %d", i)
		}
		if console[at[2]:at[3]] == "begin" {
			start = at[1]
			continue
		}
		status, err := strconv.Atoi(console[at[6]:at[7]])
		if err != nil {
			return nil, err
		}
		found[m.Cases[i].Name] = Result{strings.Trim(console[start:at[0]], "\n"), status}
	}
	if len(found) != len(m.Cases) {
		return found, fmt.Errorf("%d of %d cases ended", len(found), len(m.Cases))
	}
	return found, nil
}

// qemu boots a machine, and returns what its console shows until it is switched off.
func (m *Machine) qemu(ctx context.Context, memory, append string, args ...string) (string, error) {
	args = slices.Concat([]string{
		"-M", "q35", "-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-accel", "tcg,thread=multi", "-cpu", "max",
		"-smp", "2", "-m", memory, "-kernel", filepath.Join(m.Kernel, "vmlinuz"), "-append", "console=ttyS0 quiet panic=-1 no_timer_check nowatchdog " + append,
	}, args)
	cmd := exec.CommandContext(ctx, Emulator, args...)
	var console bytes.Buffer
	cmd.Stdout, cmd.Stderr = &console, &console
	err := cmd.Run()
	return console.String(), err
}

// Small boots a machine of Busybox alone, with version 2 of control groups, and runs the
// cases. The text is all that the console shows.
func (m *Machine) Small(ctx context.Context, dir string) (found map[string]Result, console string, err error) {
	name := filepath.Join(dir, "initramfs")
	if err := m.initramfs(name); err != nil {
		return nil, "", err
	}
	defer os.Remove(name)
	console, err = m.qemu(ctx, "768M", "cgroup_no_v1=all", "-initrd", name)
	if err == nil {
		found, err = m.results(console)
	}
	return found, console, err
}

// Systemd boots a machine of a root file system of SystemdRoot, and runs the cases.
func (m *Machine) Systemd(ctx context.Context, root, dir string) (found map[string]Result, console string, err error) {
	work, disk := filepath.Join(dir, "work"), filepath.Join(dir, "work.img")
	err = errors.Join(os.Mkdir(work, 0o755), os.WriteFile(filepath.Join(work, "script"), []byte(m.script()), 0o644))
	for to, from := range m.Files {
		data, err2 := os.ReadFile(from)
		err = errors.Join(err, err2, os.WriteFile(filepath.Join(work, filepath.Base(to)), data, 0o755))
	}
	if err != nil {
		return nil, "", err
	}
	out, err := exec.CommandContext(ctx, "mke2fs", "-q", "-t", "ext4", "-d", work, disk, "160M").CombinedOutput()
	if err != nil {
		return nil, string(out), fmt.Errorf("mke2fs: %w", err)
	}
	var disks []string
	for i, file := range []string{root, disk} {
		disks = append(disks, "-drive", fmt.Sprintf("file=%s,if=none,id=d%d,format=raw,snapshot=on", file, i), "-device", fmt.Sprintf("nvme,serial=%d,drive=d%[1]d", i))
	}
	console, err = m.qemu(ctx, "1G", "root=/dev/nvme0n1 rw systemd.unified_cgroup_hierarchy=1 systemd.show_status=0", disks...)
	if err == nil {
		found, err = m.results(console)
	}
	return found, console, err
}

// initScript is the first process. The file system that the kernel has unpacked cannot be
// left by pivot_root(2), which is not how machines are: it is moved to another first.
const initScript = `#!/bin/busybox sh
if [ $$ = 1 ] && [ ! -e /moved ]; then
	/bin/busybox mkdir /new
	/bin/busybox mount -t tmpfs -o mode=755 tmpfs /new
	for d in bin etc home init lib root usr tmp var work; do [ ! -e /$d ] || /bin/busybox cp -a /$d /new/; done
	/bin/busybox touch /new/moved
	exec /bin/busybox switch_root /new /init
fi
/bin/busybox mkdir -p /proc /sys /dev /run /tmp /sbin /usr/bin /usr/sbin /var/tmp
/bin/busybox --install -s /bin
chmod 1777 /tmp /var/tmp
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /dev/pts /dev/shm /run/user; mount -t devpts devpts /dev/pts; mount -t tmpfs shm /dev/shm
for m in fuse overlay; do insmod /lib/modules/$m.ko; done
chmod 666 /dev/fuse
mount -t cgroup2 cgroup2 /sys/fs/cgroup
chown -R 1001:1001 /home/tester
sh /work/script
poweroff -f
`

// initramfs writes the root file system of a small machine.
func (m *Machine) initramfs(name string) error {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	a := archive{w: f, made: map[string]bool{}}
	a.file("bin/busybox", busybox)
	a.link("bin/sh", "busybox")
	a.text("init", 0o755, initScript)
	a.text("etc/passwd", 0o644, fmt.Sprintf("root:x:0:0:root:/root:/bin/sh\ntester:x:%d:%[1]d:tester:/home/tester:/bin/sh\n", UID))
	a.text("etc/group", 0o644, fmt.Sprintf("root:x:0:\ntester:x:%d:\n", UID))
	a.text("etc/hosts", 0o644, "127.0.0.1 localhost\n")
	a.dir("home/tester")
	a.dir("root")
	for _, module := range []string{"fuse.ko", "overlay.ko"} {
		a.file("lib/modules/"+module, filepath.Join(m.Kernel, module))
	}
	for to, from := range m.Files {
		a.file(to, from)
	}
	a.text("work/script", 0o644, m.script())
	a.text("TRAILER!!!", 0, "")
	if a.err != nil {
		return a.err
	}
	return f.Close()
}
