package limits

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/cgroup"
	"github.com/sealift/sealift/runtime/host"
)

// parsed returns the flags of a command line and an environment.
func parsed(t *testing.T, environ []string, args ...string) *Flags {
	t.Helper()
	var f Flags
	flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
	f.Add(flags)
	p := &ui.Process{Environ: environ}
	if err := errors.Join(flags.Parse(args), p.FromEnvironment(flags)); err != nil {
		t.Fatal(err)
	}
	return &f
}

func pointer[T any](v T) *T { return &v }

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		environ []string
		args    string
		want    cgroup.Limits
	}{
		{nil, "--memory 64M --memory-swap -1 --memory-reservation 1G", cgroup.Limits{Memory: cgroup.Memory{
			Limit: pointer[int64](64 << 20), Swap: pointer[int64](-1), Reservation: pointer[int64](1 << 30)}}},
		{[]string{"APPTAINER_MEMORY=1K", "SINGULARITY_MEMORY_SWAP=2K", "SEALIFT_PIDS_LIMIT=-1"}, "", cgroup.Limits{Memory: cgroup.Memory{
			Limit: pointer[int64](1024), Swap: pointer[int64](2048)}, Pids: cgroup.Pids{Limit: -1}}},
		{[]string{"SEALIFT_CPU_SHARES=7", "SEALIFT_CPUS=0.5"}, "--cpuset-cpus 0-1 --cpuset-mems 0 --oom-kill-disable", cgroup.Limits{
			Memory: cgroup.Memory{DisableOOMKiller: true},
			CPU:    cgroup.CPU{Shares: 7, Quota: pointer[int64](50000), Period: pointer[uint64](100000), CPUs: "0-1", Mems: "0"}}},
		{nil, "--blkio-weight 10 --blkio-weight-device /dev/null:99,/dev/zero:20", cgroup.Limits{BlockIO: cgroup.BlockIO{
			Weight: 10, WeightDevice: []cgroup.WeightDevice{{Major: 1, Minor: 3, Weight: 99}, {Major: 1, Minor: 5, Weight: 20}}}}},
		// As without the flags.
		{nil, "--memory 0 --memory-swap 0 --pids-limit 0 --cpu-shares -1 --blkio-weight 0", cgroup.Limits{}},
	} {
		f := parsed(t, c.environ, strings.Fields(c.args)...)
		got, err := f.limits()
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, %+v", c.args, err, got)
		}
		if f.Wanted() != !got.None() {
			t.Errorf("%s: wanted %t", c.args, f.Wanted())
		}
	}
}

func TestMistakes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "l.toml")
	if err := os.WriteFile(file, []byte("[pids]\nlimit = 50\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"--cpus 0":                                     "--cpus: 0 processors are not between",
		"--blkio-weight-device /dev/null":              "no weight is given",
		"--blkio-weight-device /dev/null:0":            `"0" is no weight`,
		"--blkio-weight-device /none:5":                "look at /none: no such file",
		"--blkio-weight-device /etc:5":                 "it is no device",
		"--apply-cgroups /none":                        "open /none",
		"--cpus 1 --pids-limit 3 --apply-cgroups x":    "--apply-cgroups and --cpus, --pids-limit exclude each other",
		"--stats=xml":                                  "--stats=xml is neither text nor json:FILE",
		"--stats=json:":                                "neither text nor json:FILE",
		"--stats=json:/none/x":                         "/none",
		"--memory 64M --apply-cgroups " + file:         "exclude each other",
		"--memory 64M --memory-swap 1M":                "no greater",
		"--blkio-weight 5":                             "between 10 and 1000",
		"--memory 64M":                                 "no memory limit can be set: no control groups with the controller memory",
		"--stats --pids-limit 50":                      "no limit of processes can be set",
		"--apply-cgroups " + file + " --stats=json:/x": "no limit of processes can be set",
	} {
		_, err := parsed(t, nil, strings.Fields(args)...).Box(&ui.Process{}, &host.Facts{})
		if err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" && !strings.Contains(args, "json:/none") {
			t.Errorf("%s: %v, hint %q", args, err, hint.Of(err))
		}
	}
	if _, err := os.Stat("/x"); err == nil {
		t.Error("a file of statistics is there")
	}
}

// TestWithoutGroups tells what a process and its children have used where there are no
// groups, in lines and in a file.
func TestWithoutGroups(t *testing.T) {
	if b, err := parsed(t, nil).Box(&ui.Process{}, &host.Facts{}); b != nil || err != nil {
		t.Errorf("%v, %v", b, err)
	}
	var none *Box
	if err := none.End(5, syscall.EIO); err != syscall.EIO || none.Make() != nil || none.File() != nil || none.Join(1, false) != nil || none.String() != "" {
		t.Error("a container without groups", err)
	}
	none.Close()

	var out bytes.Buffer
	file := filepath.Join(t.TempDir(), "stats")
	p := &ui.Process{Terminal: ui.Terminal{Err: &out, Quiet: true}}
	for _, form := range []string{"text", "json:" + file} {
		b, err := parsed(t, nil, "--stats="+form).Box(p, &host.Facts{})
		if err != nil || b.Make() != nil || b.Join(1, true) != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(file); err == nil {
			t.Error("the file is there too soon")
		}
		if err := b.End(3, nil); err != nil {
			t.Error(err)
		}
		b.Close()
	}
	if text := out.String(); !strings.Contains(text, "sealift: peak memory  ") || !strings.Contains(text, "not of the whole") || strings.Contains(text, "warning") {
		t.Errorf("%s", text)
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), `"exit_status": 3`) || !strings.Contains(string(text), `"pids_peak": null`) {
		t.Errorf("%v, %s", err, text)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{64 << 20: "64 MiB", 3 << 29: "1.5 GiB", 100: "100 B", 10 << 10: "10 KiB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}
