package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sealift/sealift/e2e/bench/report"
)

// outcome is what a command took.
type outcome struct {
	report.Time
	peak    int64 // bytes of memory of its largest process
	written int64 // bytes to disk, its children's included
}

// execute runs a command; its words are part of the error.
func execute(cmd *exec.Cmd) (outcome, error) {
	var out bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	cmd.Stderr = &out
	begun := time.Now()
	err := cmd.Run()
	took := time.Since(begun)
	if err != nil {
		return outcome{}, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, out.String())
	}
	u := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return outcome{
		Time: report.Time{Wall: took, CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()},
		peak: u.Maxrss << 10, written: u.Oublock << 9,
	}, nil
}

// program is one build of Sealift.
type program struct{ name, path string }

// builds makes Sealift with and without C libraries, as the Makefile has it.
func builds(dir string) ([]program, error) {
	var list []program
	for _, b := range []struct{ name, cgo string }{{"sealift", "1"}, {"sealift, pure Go", "0"}} {
		bin, err := filepath.Abs(filepath.Join(dir, "cgo"+b.cgo))
		if err != nil {
			return nil, err
		}
		if _, err := execute(exec.Command("make", "-s", "all", "BIN="+bin, "CGO_ENABLED="+b.cgo)); err != nil {
			if b.cgo == "0" {
				return nil, err
			}
			fmt.Printf("%s with libzstd and libdeflate is left out: %v\n", b.name, err)
			continue
		}
		list = append(list, program{b.name, filepath.Join(bin, "sealift")})
	}
	return list, nil
}
