package ui

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Interactive says whether someone at the standard input could answer.
func (p *Process) Interactive() bool { return isTerminal(p.Stdin) }

func isTerminal(f *os.File) bool {
	if f == nil {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Confirm asks a question that ends in "?" and reads the answer from the
// standard input. No answer is no.
func (p *Process) Confirm(format string, args ...any) bool {
	fmt.Fprint(p.Err, Clean(fmt.Sprintf(format, args...)), " [y/N] ")
	answer, _ := bufio.NewReader(p.Stdin).ReadString('\n') // what there is of one
	return slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer)))
}
