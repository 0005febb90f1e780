package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// contender is one way to start a task in a container.
type contender struct {
	name string
	// command returns the words before those of the payload, for one of n tasks of a step.
	command func(n int, step string) []string
}

// fixed is a command that has nothing to do with the other tasks.
func fixed(words ...string) func(int, string) []string {
	return func(int, string) []string { return words }
}

// Rows: those to which ratios are given, and those whose tasks join.
const (
	separate = "sealift, separate"
	joined   = "ch-run --join"
	alone    = "ch-run"
	peer     = "apptainer"

	peerJoined = "apptainer --sharens"
)

// contenders returns those that are there: for an image that is a file, and the same
// unpacked, as ch-run of Debian's has no use for files.
func (b *bench) contenders(file, dir string) []contender {
	join := func(n int, step string) []string {
		return []string{"ch-run", "--join-ct=" + strconv.Itoa(n), "--join-tag=" + step, dir, "--"}
	}
	list := []contender{
		{"sealift, shared", fixed(filepath.Join(b.work, "sealift"), "exec", file)},
		{separate, fixed(filepath.Join(b.work, "sealift"), "exec", "--share=off", file)},
		{joined, join},
		{alone, fixed("ch-run", dir, "--")},
		{peerJoined, fixed("apptainer", "exec", "--sharens", file)},
		{peer, fixed("apptainer", "exec", file)},
	}
	return slices.DeleteFunc(list, func(c contender) bool {
		program := c.command(1, "")[0]
		_, err := exec.LookPath(program)
		if err != nil {
			fmt.Printf("%s is left out: %v\n", c.name, err)
		}
		return err != nil
	})
}
