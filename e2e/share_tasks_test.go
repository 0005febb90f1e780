package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tasks are processes as an MPI launcher starts them, with a directory of their own to meet.
type tasks struct {
	*testing.T
	sealift, image, dir string
	env                 []string
}

func newTasks(t *testing.T, number int) *tasks {
	t.Helper()
	sealift, image := busyboxImage(t)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "XDG_RUNTIME_DIR="+dir, "OMPI_COMM_WORLD_LOCAL_SIZE="+strconv.Itoa(number), "PMIX_NAMESPACE="+t.Name())
	if os.Getuid() == 0 {
		env = append(env, "SEALIFT_USERNS=1")
	}
	return &tasks{t, sealift, image, dir, env}
}

func (x *tasks) command(args ...string) *exec.Cmd {
	cmd := exec.Command(x.sealift, args...)
	cmd.Dir, cmd.Env = "/", x.env
	return cmd
}

// run returns what a task prints, errors after output, and its status, 128+n for signal n.
func (x *tasks) run(args ...string) (string, int) {
	x.Helper()
	cmd := x.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		x.Fatal(err)
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return out.String() + errs.String(), 128 + int(status.Signal())
	}
	return out.String() + errs.String(), status.ExitStatus()
}

// nothingLeft fails unless the directory is empty, soon.
func (x *tasks) nothingLeft() {
	x.Helper()
	waitFor(x.T, "an empty directory", func() bool {
		left, err := filepath.Glob(filepath.Join(x.dir, "*"))
		return err == nil && len(left) == 0
	})
}

// TestShare has single tasks do what every container does.
func TestShare(t *testing.T) {
	asUser(t, "^TestShare$")
	x := newTasks(t, 2)
	mine, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args, want string // IMAGE is the image; the output begins so
		code       int
	}{
		{"exec IMAGE readlink /proc/self/ns/pid", mine + "\n", 0},
		{"exec IMAGE sh -c exit^7", "", 7},
		{"exec IMAGE sh -c kill^-9^$$", "", 137},
		{"exec IMAGE nosuch", "sealift: error: nosuch: executable file not found in $PATH: no such file or directory\nsealift: hint: ", 127},
		{"exec IMAGE /etc/passwd", "sealift: error: /etc/passwd: permission denied\nsealift: hint: ", 126},
		{"--nocolor exec --bind /proc/1/nosuch:/data IMAGE true", "sealift: error: ", 125},
		{"exec --env A=b --cwd /bin IMAGE sh -c echo^$A^$PWD", "b /bin\n", 0},
		{"exec --contain --writable-tmpfs IMAGE sh -c echo^x^>/bin/new;cat^/bin/new", "x\n", 0},
		{"exec --ipc --hostname box IMAGE hostname", "box\n", 0},
		{"exec --share=on --pid IMAGE true", "sealift: error: --share=on: it is to have a process namespace of its own\nsealift: hint: ", 125},
		{"exec --sharens --containall IMAGE true", "sealift: error: --share=on: it is to have a process namespace of its own\nsealift: hint: ", 125},
		{"exec --share=on --add-caps CAP_NET_RAW IMAGE true", "sealift: error: --share=on: it has capabilities, by which it could enter what others see\n", 125},
		{"exec --share=perhaps IMAGE true", `sealift: error: invalid argument "perhaps" for "--share" flag: "perhaps" is not auto, on or off`, 125},
		{"--verbose exec --pid IMAGE true", "sealift: the 2 tasks of this job step on this node do not share a container: it is to have a process namespace of its own\n", 0},
		{"exec --fakeroot IMAGE id -u", "0\nsealift: warning: --fakeroot: each of the 2 tasks of this job step on this node is root in a user namespace of its own, where MPI does not work\n", 0},
		{"exec --share=off IMAGE sh -c echo^$$", "", 0},
	} {
		args := strings.Fields(strings.ReplaceAll(c.args, "IMAGE", x.image))
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "^", " ")
		}
		if got, code := x.run(args...); code != c.code || !strings.HasPrefix(strings.TrimPrefix(got, "sealift: --userns is set by SEALIFT_USERNS\n"), c.want) {
			t.Errorf("%s: status %d, %q; want %d, %q", c.args, code, got, c.code, c.want)
		}
	}
	// What is wrong is told whatever the container has where the host has rules and settings.
	etc := t.TempDir()
	for _, name := range []string{"trust.toml", "environment"} {
		if err := os.WriteFile(filepath.Join(etc, name), []byte("neither\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	small := x.sealift
	for _, x.sealift = range []string{small, small + "-full"} {
		got, code := x.run("--nocolor", "exec", "--bind", etc+":/etc/sealift", x.image, "nosuch")
		if code != 127 || !strings.Contains(got, "sealift: error: nosuch: executable file not found") {
			t.Errorf("%s: status %d, %q", x.sealift, code, got)
		}
	}
	x.sealift = small
	if got, _ := x.run("exec", "--dry-run", x.image, "true"); strings.Contains(got, "pid") || !strings.Contains(got, "clone user mount") {
		t.Errorf("the plan is\n%s", got)
	}
	x.nothingLeft()
}

// TestShareTogether has tasks of other binds, variables and limits share one user namespace
// and one server, and pass descriptors and signals as payloads have them that are children
// of their launcher.
func TestShareTogether(t *testing.T) {
	asUser(t, "^TestShareTogether$")
	const number = 6
	x := newTasks(t, number)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	const script = `readlink /proc/self/ns/user; cat /data$RANK/x; cat <&7; trap 'echo end; exit 3' TERM; echo ready >&2; while :; do sleep 0.05; done`
	var list []*exec.Cmd
	out := make([]bytes.Buffer, number)
	for n := range number {
		source := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(source, []byte("mine\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		target := fmt.Sprintf("/data%d/x", n%2) // the image has no such directory
		cmd := x.command("exec", "--bind", source+":"+target, "--env", fmt.Sprint("RANK=", n%2), x.image, "sh", "-c", script)
		text, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(writer, "passed")
		writer.Close()
		cmd.ExtraFiles = []*os.File{3: nil, 4: text}
		cmd.Stdout, cmd.Stderr = &out[n], w
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		text.Close()
		list = append(list, cmd)
	}
	w.Close()
	ready := make([]byte, 0, 6*number)
	for len(ready) < 6*number {
		buf := make([]byte, 64)
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("%q, %v", ready, err)
		}
		if ready = append(ready, buf[:n]...); bytes.Contains(ready, []byte("error")) {
			t.Fatalf("%s", ready)
		}
	}
	// Each payload is the process that was started.
	for _, cmd := range list {
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", cmd.Process.Pid))
		if err != nil || string(comm) != "sh\n" {
			t.Errorf("%q, %v", comm, err)
		}
	}
	time.Sleep(50 * time.Millisecond)
	for _, cmd := range list {
		if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
			t.Error(err)
		}
	}
	spaces := map[string]bool{}
	for n, cmd := range list {
		cmd.Wait()
		name, rest, _ := strings.Cut(out[n].String(), "\n")
		spaces[name] = true
		if code := cmd.ProcessState.ExitCode(); code != 3 || rest != "mine\npassed\nend\n" {
			t.Errorf("status %d, %q", code, rest)
		}
	}
	if len(spaces) != 1 {
		t.Errorf("user namespaces %v", spaces)
	}
	x.nothingLeft()
}
