package discover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Answer is what the helper prints, as JSON.
type Answer struct {
	Spec *specs.Spec `json:"spec"`
	// Warnings are remarks for the user, one line each.
	Warnings []string `json:"warnings"`
}

// maxAnswer bounds what a program prints, in bytes.
const maxAnswer = 8 << 20

// ask runs the helper. Of the caller's environment nothing is handed on: eager
// binding, for one, ends it, as a driver lacks what others have.
func (f *finder) ask(ctx context.Context) (*Answer, error) {
	var args []string
	d := f.Driver()
	if d.Dir != "" {
		args = append(args, "--lib-dirs", d.Dir)
	}
	out, err := f.program(ctx, f.Helper, []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH=" + d.Dir}, args...)
	if err != nil {
		return nil, err
	}
	var answer Answer
	if err := json.Unmarshal(out, &answer); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Helper, err)
	}
	if answer.Spec == nil {
		return nil, fmt.Errorf("%s printed no specification", f.Helper)
	}
	return &answer, nil
}

// program runs a program with an environment, and returns what it prints.
func (f *finder) program(ctx context.Context, name string, environ []string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, f.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	out, errs := &limited{}, &limited{}
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = environ, "/", out, errs
	cmd.WaitDelay = time.Second // for what it has started
	err := cmd.Run()
	var exited *exec.ExitError
	switch {
	case err == nil:
		return out.Bytes(), nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s did not answer within %s", name, f.Patience)
	case errors.As(err, &exited) && exited.ExitCode() == 127:
		return nil, hint.Wrap(fmt.Errorf("%s ended: %s", name, lastLine(errs)), "the driver, or the C library of this machine, is older than what it was built for")
	case errs.Len() > 0:
		return nil, fmt.Errorf("%s: %s", name, lastLine(errs))
	}
	return nil, fmt.Errorf("%s: %w", name, err)
}

// limited keeps the beginning of what is written to it.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	_, _ = l.Buffer.Write(p[:min(len(p), maxAnswer-l.Len())]) // it always succeeds
	return len(p), nil
}

func lastLine(b *limited) string {
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	return lines[len(lines)-1]
}

// modprobe has the nodes of CUDA's memory manager made where they are missing. The
// kernel does not make them by itself, and no container can.
func (f *finder) modprobe(spec *specs.Spec) {
	const node = "/dev/nvidia-uvm"
	if f.Access(node) == nil || f.Modprobe == "" {
		return
	}
	if _, err := f.program(context.Background(), f.Modprobe, []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, "-u", "-c", "0"); err != nil {
		f.warn("%s is missing: %v", node, err)
		return
	}
	nodes := &spec.ContainerEdits.DeviceNodes
	for _, name := range []string{node, "/dev/nvidia-uvm-tools"} {
		if f.Access(name) == nil && !slices.ContainsFunc(*nodes, func(n *specs.DeviceNode) bool { return n.Path == name }) {
			*nodes = append(*nodes, &specs.DeviceNode{Path: name})
		}
	}
}
