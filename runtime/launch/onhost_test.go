package launch

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sealift/sealift/starter/plan"
)

// TestOnHost is a tool of the host that makes a root file system in a directory:
// root there, and nowhere else. It runs a program in it that needs a device.
func TestOnHost(t *testing.T) {
	needBusybox(t)
	dir := tempDir(t)
	for _, d := range []string{"under", "upper", "work", "tmp", "protected"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const script = `set -e
cd "$DIR/under"
mkdir bin dev; cp "$(command -v busybox)" bin/busybox; ln -s busybox bin/sh
mknod dev/null c 1 3
chown 5:6 bin; stat -c %u:%g bin
chroot . sh -c 'echo x > /dev/null; busybox cat /dev/null; busybox chown 7:8 /dev; busybox chmod 700 /dev; busybox ls -lnd /dev | busybox cut -d " " -f 1'
stat -c '%u:%g %a' dev
touch "$DIR/tmp/f"; touch "$DIR/protected/f" 2>/dev/null || echo protected
chown 5:6 "$DIR/tmp/f" 2>/dev/null || echo "not mine to give"
mknod "$DIR/tmp/null" c 1 3 2>/dev/null || echo "no device"
`
	p := rootMapped(&plan.Plan{
		Clone:   plan.Clone{Mount: true, PID: true},
		Process: plan.Process{Init: true, Args: sh(script), Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DIR=" + dir}, Dirs: []string{"/"}, Umask: 0o022},
		Ops: []plan.Op{
			plan.Do(plan.Session, tempDir(t), "mode=0755"),
			plan.Do(plan.Mkdir, "@lower", "0755"),
			plan.Do(plan.Bind, "/", "/", "ro"),
			plan.Do(plan.Bind, dir+"/tmp", dir+"/tmp", "try"),
			plan.Do(plan.Overlay, dir+"/under", "@lower", dir+"/upper", dir+"/work", "nosuid,nodev"),
			plan.Do(plan.Mount, "proc", "/proc", "nosuid,nodev,noexec", ""),
			plan.Do(plan.Pivot), plan.Do(plan.Emulate, "full", dir+"/under"), plan.Do(plan.Dropcaps, "all"),
		},
	})
	start(t, p).want(t, "5:6\ndrwx------\n7:8 700\nprotected\nnot mine to give\nno device\n")
}
