package report

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Machine says what measurements are of: processors, memory, kernel, how busy it is, and the
// versions of programs that are in PATH or at a path.
func Machine(ctx context.Context, programs ...string) string {
	var b strings.Builder
	line := func(name, text string) { fmt.Fprintf(&b, "%-13s %s\n", name+":", text) }
	line("processors", fmt.Sprintf("%d of %s", runtime.NumCPU(), field("/proc/cpuinfo", "model name")))
	line("memory", field("/proc/meminfo", "MemTotal"))
	line("kernel", first("/proc/sys/kernel/osrelease"))
	line("load", first("/proc/loadavg"))
	line("date", time.Now().UTC().Format(time.DateOnly))
	for _, p := range programs {
		if v := version(ctx, p); v != "" {
			line(p[strings.LastIndexByte(p, '/')+1:], v)
		}
	}
	return b.String()
}

// field returns what a file says behind "name:".
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if n, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(n) == name {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return "unknown"
}

// first returns a file's first line.
func first(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// version returns the first words of a program that have a digit when it is asked for its
// version, nothing if it is not there.
func version(ctx context.Context, program string) string {
	if _, err := exec.LookPath(program); err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, flag := range []string{"--version", "-version"} {
		out, _ := exec.CommandContext(ctx, program, flag).CombinedOutput() // some of them fail with it
		for line := range strings.Lines(string(out)) {
			if strings.ContainsAny(line, "0123456789") && !strings.Contains(line, "nvalid") && !strings.Contains(line, "nrecognized") {
				return strings.TrimSpace(line)
			}
		}
	}
	return "of an unknown version"
}
