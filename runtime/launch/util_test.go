package launch

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// eventually waits up to two seconds for ok.
func eventually(t testing.TB, ok func() bool, text string) {
	t.Helper()
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Error(text)
}

// processExists looks for a process with arg among its arguments, and which is
// no shell.
func processExists(arg string) bool {
	dirs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, d := range dirs {
		line, _ := os.ReadFile(d) // a process that has just ended has none
		args := bytes.Split(line, []byte{0})
		if len(args) > 1 && string(args[1]) == arg {
			return true
		}
	}
	return false
}

func itoa(n int) string { return strconv.Itoa(n) }

func atoi(t testing.TB, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
