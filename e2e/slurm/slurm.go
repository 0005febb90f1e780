// Package slurm starts a real Slurm on this machine for tests: a controller and two
// nodes, all on the loopback interface.
//
// Input: what the cluster is to be like. Output: the environment that Slurm's programs
// need. Started by an ordinary user it runs that user's jobs and trusts everybody;
// started by root it authenticates users by munge and can confine jobs in control
// groups of its own. Nothing of it is left when the test ends.
package slurm

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Options say what a cluster is like.
type Options struct {
	// Groups has jobs be in control groups (cgroups(7), version 1), which hold them to
	// the memory, the processors and the devices that they asked for. Root only.
	Groups bool
	// CPUs is how many processors each node seems to have, 4 if it is 0.
	CPUs int
	// GPUs is how many GPUs each node has: /dev/nvidia0 and so on, which are nodes
	// without a driver. Root only.
	GPUs int
	// Apart has the second node be like a machine of its own: it sees neither the first
	// one's processes nor what these have in memory in common, and has its own name.
	// Programs that look for these things, such as MPI's, take two nodes for one else.
	Apart bool
	// MPI is what srun offers MPI programs by default, such as pmix; none if empty.
	MPI string
	// Plugins is the text of plugstack.conf.
	Plugins string
	// Lines are more lines of slurm.conf.
	Lines []string
}

// Cluster is a running cluster.
type Cluster struct {
	t testing.TB
	// Dir holds all files of the cluster.
	Dir string
	// Conf is the configuration, for SLURM_CONF.
	Conf string
}

// patience bounds the start of a cluster.
const patience = 30 * time.Second

// Missing returns the programs that a cluster needs and this machine lacks.
func Missing() (names []string) {
	for _, name := range []string{"slurmctld", "slurmd", "srun", "munged"} {
		if _, err := program(name); err != nil {
			names = append(names, name)
		}
	}
	return names
}

// Headers says whether plugins of Slurm can be built here.
func Headers() bool {
	_, err := os.Stat("/usr/include/slurm/spank.h")
	return err == nil
}

// program finds daemons, too, which are not in the PATH of users.
func program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", name))
}

// Start starts a cluster, which ends with the test.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "slurm-")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{t: t, Dir: dir, Conf: filepath.Join(dir, "slurm.conf")}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := c.prepare(o); err != nil {
		t.Fatal(err)
	}
	c.run(o)
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if out, err := c.Command("sinfo", "-h", "-t", "idle", "-o", "%D").Output(); err == nil && strings.TrimSpace(string(out)) == "2" {
			return c
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("the cluster does not start:\n%s", c.Logs())
	return nil
}

// Logs returns the ends of all logs.
func (c *Cluster) Logs() string {
	var b strings.Builder
	files, _ := filepath.Glob(filepath.Join(c.Dir, "log", "*"))
	for _, f := range files {
		text, err := os.ReadFile(f)
		fmt.Fprintf(&b, "%s: %v\n%s\n", filepath.Base(f), err, text[max(0, len(text)-3000):])
	}
	return b.String()
}

// prepare writes the configuration and makes the directories.
func (c *Cluster) prepare(o Options) error {
	files := map[string]string{"slurm.conf": c.config(o), "gres.conf": "", "plugstack.conf": o.Plugins}
	if o.GPUs > 0 {
		files["gres.conf"] = fmt.Sprintf("NodeName=node[1-2] Name=gpu File=/dev/nvidia[0-%d]\n", o.GPUs-1)
	}
	if o.Groups {
		files["cgroup.conf"] = fmt.Sprintf(groupsConf, filepath.Join(c.Dir, "groups"))
	}
	errs := []error{os.Chmod(c.Dir, 0o755)}
	for _, d := range []string{"state", "spool/node1", "spool/node2", "run", "log", "tmp/node1", "tmp/node2", "groups", "dev"} {
		errs = append(errs, os.MkdirAll(filepath.Join(c.Dir, d), 0o755))
	}
	errs = append(errs, os.Chmod(filepath.Join(c.Dir, "tmp/node1"), 0o1777), os.Chmod(filepath.Join(c.Dir, "tmp/node2"), 0o1777))
	for name, text := range files {
		errs = append(errs, os.WriteFile(filepath.Join(c.Dir, name), []byte(text), 0o644))
	}
	return errors.Join(errs...)
}

// groupsConf is cgroup.conf(5).
const groupsConf = `CgroupPlugin=cgroup/v1
CgroupAutomount=no
CgroupMountpoint=%s
ConstrainCores=yes
ConstrainDevices=yes
ConstrainRAMSpace=yes
ConstrainSwapSpace=no
AllowedRAMSpace=100
MinRAMSpace=1
`

// config returns slurm.conf(5).
func (c *Cluster) config(o Options) string {
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	cpus, mpi := o.CPUs, o.MPI
	if cpus == 0 {
		cpus = 4
	}
	if mpi == "" {
		mpi = "none"
	}
	user, auth := "root", "AuthType=auth/munge\nAuthInfo=socket="+c.Dir+"/munge/socket,cred_expire=20\nCredType=cred/munge"
	if uid := os.Getuid(); uid != 0 {
		user, auth = fmt.Sprint(uid), "AuthType=auth/none\nAuthInfo=cred_expire=20\nCredType=cred/none"
	}
	track, task, gather := "linuxproc", "task/none", "none"
	if o.Groups {
		track, task, gather = "cgroup", "task/cgroup", "cgroup"
	}
	gres := ""
	if o.GPUs > 0 {
		gres = fmt.Sprintf("Gres=gpu:%d ", o.GPUs)
		o.Lines = append([]string{"GresTypes=gpu"}, o.Lines...)
	}
	port := freePorts()
	return fmt.Sprintf(`ClusterName=tests
SlurmctldHost=%[1]s(127.0.0.1)
SlurmUser=%[2]s
SlurmdUser=%[2]s
SlurmctldPort=%[3]d
%[4]s
StateSaveLocation=%[5]s/state
SlurmdSpoolDir=%[5]s/spool/%%n
SlurmctldPidFile=%[5]s/run/slurmctld.pid
SlurmdPidFile=%[5]s/run/slurmd-%%n.pid
SlurmctldLogFile=%[5]s/log/slurmctld
SlurmdLogFile=%[5]s/log/slurmd-%%n
ProctrackType=proctrack/%[6]s
TaskPlugin=%[7]s
JobAcctGatherType=jobacct_gather/%[8]s
AccountingStorageType=accounting_storage/none
MpiDefault=%[9]s
SwitchType=switch/none
TmpFS=%[5]s/tmp/%%n
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=0,batch_sched_delay=0
ReturnToService=2
KillWait=5
InactiveLimit=0
SlurmdParameters=config_overrides
PlugStackConfig=%[5]s/plugstack.conf
DefMemPerCPU=64
NodeName=node[1-2] NodeHostname=%[1]s NodeAddr=127.0.0.1 Port=[%[10]d-%[11]d] CPUs=%[12]d Boards=1 SocketsPerBoard=1 CoresPerSocket=%[12]d ThreadsPerCore=1 RealMemory=4096 %[14]sState=UNKNOWN
PartitionName=main Nodes=node[1-2] Default=YES MaxTime=INFINITE State=UP
%[13]s
`, host, user, port, auth, c.Dir, track, task, gather, mpi, port+1, port+2, cpus, strings.Join(o.Lines, "\n"), gres)
}
