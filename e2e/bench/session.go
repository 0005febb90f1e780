package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sealift/sealift/e2e/bench/proc"
	"github.com/sealift/sealift/e2e/bench/report"
)

// session is a shell in a mounted image, which takes commands from a pipe:
// every contender does the same work in the same way, whoever mounted it.
type session struct {
	shell  *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	errors bytes.Buffer
	server int           // the process that serves the image, or 0
	used   time.Duration // processor time of the shell's children so far
	after  func() error  // undoes the mount
}

// contender is one way to mount an image and start a shell in it.
type contender struct {
	name string
	open func(image string) (*session, error)
}

// sealift starts a container, whose parent is what serves it.
func sealift(p program) contender { return sealiftWith(p, p.name) }

// sealiftWith is the same with more flags, and a name of its own.
func sealiftWith(p program, name string, flags ...string) contender {
	return contender{name, func(image string) (*session, error) {
		args := append([]string{"exec", "--no-mount", "home,tmp,cwd"}, flags...)
		cmd := exec.Command(p.path, append(args, image, "/bin/sh")...)
		s, err := begin(cmd, func() error { return nil })
		if err == nil {
			s.server = cmd.Process.Pid
		}
		return s, err
	}}
}

// kernel mounts the image by way of a loop device.
var kernel = contender{"kernel", func(image string) (*session, error) {
	dir, err := os.MkdirTemp("", "sealift-bench-")
	if err != nil {
		return nil, err
	}
	if _, err := execute(exec.Command("mount", "-t", "squashfs", "-o", "loop,ro", image, dir)); err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	return enter(dir, func() error { return errors.Join(syscall.Unmount(dir, syscall.MNT_DETACH), os.Remove(dir)) })
}}

// squashfuse mounts the image with a program of that family.
func squashfuse(path string) contender {
	text, _ := exec.Command(path).CombinedOutput() // its usage, with a status that is no success
	name := "squashfuse_ll"
	if f := strings.Fields(string(text)); len(f) > 1 {
		name = strings.Join(f[:2], " ")
	}
	return contender{name, func(image string) (*session, error) {
		dir, err := os.MkdirTemp("", "sealift-bench-")
		if err != nil {
			return nil, err
		}
		server := exec.Command(path, "-f", image, dir)
		server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := server.Start(); err != nil {
			return nil, err
		}
		stop := func() error {
			return errors.Join(syscall.Unmount(dir, syscall.MNT_DETACH), server.Wait(), os.Remove(dir))
		}
		if err := mounted(dir); err != nil {
			return nil, errors.Join(err, server.Process.Kill(), stop())
		}
		s, err := enter(dir, stop)
		if err == nil {
			s.server = server.Process.Pid
		}
		return s, err
	}}
}

// mounted waits until dir is a mount point, without a request to its server.
func mounted(dir string) error {
	for range 5000 {
		text, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			return err
		}
		if bytes.Contains(text, []byte(" "+dir+" ")) {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("nothing is mounted on %s after five seconds", dir)
}

// enter starts the shell of an image that is mounted on dir. It gets the file
// systems that a container has, too.
func enter(dir string, after func() error) (*session, error) {
	for _, name := range []string{"dev", "proc", "sys"} {
		if err := syscall.Mount("/"+name, filepath.Join(dir, name), "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
			return nil, errors.Join(fmt.Errorf("bind /%s: %w", name, err), after())
		}
	}
	cmd := exec.Command("/bin/sh")
	cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Chroot: dir}
	return begin(cmd, after)
}

// begin starts a session's shell and has it do nothing once.
func begin(shell *exec.Cmd, after func() error) (*session, error) {
	s := &session{shell: shell, after: after}
	shell.Stderr = &s.errors
	in, err := shell.StdinPipe()
	if err != nil {
		return nil, errors.Join(err, after())
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, after())
	}
	s.in, s.out = in, bufio.NewReader(out)
	if err := shell.Start(); err != nil {
		return nil, errors.Join(err, after())
	}
	if _, err := s.run(":"); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// run has the shell run a command. The processor time is that of the command
// and, meanwhile, of the image's server.
func (s *session) run(command string) (report.Time, error) {
	before, err := s.serverTime()
	if err != nil {
		return report.Time{}, err
	}
	begun := time.Now()
	fmt.Fprintf(s.in, "{ %s; } >/dev/null\necho $?\ntimes\n", command)
	status, err := s.out.ReadString('\n')
	took := time.Since(begun)
	if err != nil || status != "0\n" {
		return report.Time{}, fmt.Errorf("%s: status %q (%v): %s", command, status, err, s.errors.String())
	}
	used, err := s.childTime()
	if err != nil {
		return report.Time{}, err
	}
	after, err := s.serverTime()
	own := used - s.used
	s.used = used
	return report.Time{Wall: took, CPU: own + after - before}, err
}

func (s *session) serverTime() (time.Duration, error) {
	if s.server == 0 {
		return 0, nil
	}
	return proc.ProcessorTime(s.server)
}

// childTime reads the output of times: a line for the shell, such as
// "0m0.01s 0m0.00s", and one for its children.
func (s *session) childTime() (time.Duration, error) {
	if _, err := s.out.ReadString('\n'); err != nil {
		return 0, err
	}
	line, err := s.out.ReadString('\n')
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, text := range strings.Fields(line) {
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, err
		}
		sum += d
	}
	return sum, nil
}

// close ends the shell and unmounts.
func (s *session) close() error {
	return errors.Join(s.in.Close(), s.shell.Wait(), s.after())
}
