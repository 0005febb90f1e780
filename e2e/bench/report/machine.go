package report

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
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

// said are lines that name a version, the surest first.
var said = []*regexp.Regexp{regexp.MustCompile(`(?i)version[: ]+\S*\d`), regexp.MustCompile(`\d\.\d`)}

// version returns the line in which a program says its version, nothing if it is not there.
func version(ctx context.Context, program string) string {
	if _, err := exec.LookPath(program); err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var text strings.Builder
	for _, flag := range []string{"--version", "-version"} {
		cmd := exec.CommandContext(ctx, program, flag)
		cmd.Env = append(os.Environ(), "USER=bench") // ch-run wants it
		out, _ := cmd.CombinedOutput()               // of which some fail
		text.Write(out)
	}
	for _, like := range said {
		for line := range strings.Lines(text.String()) {
			if like.MatchString(line) && !strings.Contains(line, "License") {
				return strings.Join(strings.Fields(line), " ")
			}
		}
	}
	return "of an unknown version"
}
