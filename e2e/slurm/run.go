package slurm

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// freePorts returns the first of three ports in a row that nobody listens on, below those
// that the kernel gives to whoever asks for any.
func freePorts() int {
	for port := 20000 + os.Getpid()%1000*8; ; port += 3 {
		free := true
		for p := port; p < port+3 && free; p++ {
			l, err := net.Listen("tcp", fmt.Sprintf(":%d", p))
			if free = err == nil; free {
				l.Close()
			}
		}
		if free || port > 32000 {
			return port
		}
	}
}

// run starts the daemons. They are children of a shell; root's are in a PID namespace,
// so that all of a cluster, its jobs too, ends with that shell.
func (c *Cluster) run(o Options) {
	c.t.Helper()
	args := []string{"sh", "-c", script, "sh", c.Dir, c.groupName(o), fmt.Sprint(o.GPUs), apart(o)}
	if os.Getuid() == 0 {
		args = append([]string{"unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	stop, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		c.endJobs()
		stop.Close()
		if err := cmd.Wait(); err != nil {
			c.t.Errorf("the cluster ends with %v: %s", err, &out)
		}
		c.removeGroups(o)
	})
}

// endJobs ends what a test that failed has left, which daemons wait for.
func (c *Cluster) endJobs() {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		left, err := c.Command("squeue", "--noheader", "--format=%A").Output()
		if err != nil || len(left) == 0 { // the controller may have failed
			return
		}
		_ = c.Command("scancel", append([]string{"--signal=KILL"}, strings.Fields(string(left))...)...).Run() // one may have ended
	}
}

// apart returns the words that have a program be on a machine of its own.
func apart(o Options) string {
	own, drop := "--mount --pid --ipc --uts --fork --kill-child --mount-proc", ""
	if os.Getuid() != 0 {
		own, drop = own+" --user --map-current-user --keep-caps", "setpriv --ambient-caps=-all --inh-caps=-all"
	}
	if !o.Apart {
		return ""
	}
	return "unshare " + own + ` sh -c 'hostname node2; mount -t tmpfs -o mode=1777 shm /dev/shm; exec ` + drop + ` "$@"' sh`
}

// script starts a cluster in the directory $1, and ends it at the end of its input. With a
// name of groups in $2, what Slurm takes for the root of each hierarchy is a group of
// this name. Of $3 GPUs there are device nodes, in a /dev of the cluster's own. $4 begins
// the command of the second node.
const script = `
set -e
dir=$1
export SLURM_CONF=$dir/slurm.conf
wrap=
if [ "$(id -u)" = 0 ]; then
	install -d -o munge -g munge -m 755 "$dir/munge"
	install -d -o munge -g munge -m 700 "$dir/key"
	head -c 128 /dev/urandom > "$dir/key/key"
	chown munge: "$dir/key/key"
	chmod 400 "$dir/key/key"
	setpriv --reuid munge --regid munge --clear-groups munged --key-file="$dir/key/key" --socket="$dir/munge/socket" \
		--pid-file="$dir/munge/pid" --log-file="$dir/munge/log" --seed-file="$dir/munge/seed" --num-threads=2
fi
if [ "$3" -gt 0 ]; then
	mount --make-rprivate /
	mount -t tmpfs -o mode=755 dev "$dir/dev"
	for name in null zero full random urandom tty fuse; do cp -a "/dev/$name" "$dir/dev"; done
	mkdir "$dir/dev/pts" "$dir/dev/shm"
	mount --rbind /dev/pts "$dir/dev/pts"
	mount --rbind /dev/shm "$dir/dev/shm"
	for i in $(seq 0 $(($3 - 1))); do mknod -m 666 "$dir/dev/nvidia$i" c 195 "$i"; done
	mount --rbind "$dir/dev" /dev
fi
if [ -n "$2" ]; then
	mount --make-rprivate /
	mount -t tmpfs -o size=1m,mode=755 groups "$dir/groups"
	for c in cpuset freezer devices memory cpuacct cpu; do
		top=/sys/fs/cgroup/$c/$2
		mkdir -p "$dir/groups/$c" "$top"
		if [ $c = cpuset ]; then
			cat /sys/fs/cgroup/cpuset/cpuset.cpus > "$top/cpuset.cpus"
			cat /sys/fs/cgroup/cpuset/cpuset.mems > "$top/cpuset.mems"
		fi
		mount --bind "$top" "$dir/groups/$c"
	done
fi
slurmctld -D -f "$SLURM_CONF" -c 2>/dev/null &
daemons=$!
slurmd -D -f "$SLURM_CONF" -N node1 -c 2>/dev/null &
daemons="$daemons $!"
eval "exec_second() { exec $4 slurmd -D -f \"\$SLURM_CONF\" -N node2 -c; }"
exec_second 2>/dev/null &
second=$!
read -r end || true
kill $daemons || true # one may have failed
if [ -n "$4" ]; then kill -KILL $second; else kill $second; fi || true # unshare waits for its end
wait
[ "$(id -u)" != 0 ] || kill "$(cat "$dir/munge/pid")"
exit 0
`

func (c *Cluster) groupName(o Options) string {
	if !o.Groups {
		return ""
	}
	return filepath.Base(c.Dir)
}

// removeGroups removes the control groups that Slurm has left.
func (c *Cluster) removeGroups(o Options) {
	if !o.Groups {
		return
	}
	tops, _ := filepath.Glob("/sys/fs/cgroup/*/" + c.groupName(o))
	for _, top := range tops {
		out, err := exec.Command("find", top, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").CombinedOutput()
		if err != nil || len(out) > 0 {
			c.t.Errorf("control groups are left: %v %s", err, out)
		}
	}
}

// Command returns a command that reaches the cluster.
func (c *Cluster) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "SLURM_CONF="+c.Conf)
	return cmd
}
