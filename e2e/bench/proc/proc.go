// Package proc reads figures of running processes.
//
// Input: files of proc_pid(5). Output: bytes. It measures nothing itself.
package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Field returns a number of kB in a file of /proc in bytes.
func Field(path, name string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, name)
}
