package share

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/enter"
	"github.com/sealift/sealift/starter/plan"
)

// Start is how a task becomes its payload.
type Start struct {
	// Starter is the path of the starter.
	Starter string
	// Explain is a program that says why a payload could not be started, and its command
	// line from its name on. It gets two arguments more: the number of a descriptor with
	// the plan in its wire form, and the starter's report.
	Explain *os.File
	Args    []string
}

// Become executes the starter with the plan p (see Task) in the place of this process. It
// returns only when that fails. The calling thread must be the one that has what the
// payload is to have of a thread, such as the signal at the parent's death.
func (m *Member) Become(p *plan.Plan, s Start) error {
	data, err := plan.Encode(p)
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("plan", unix.MFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	memory := os.NewFile(uintptr(fd), "plan")
	defer memory.Close()
	if _, err = memory.Write(data); err == nil {
		_, err = memory.Seek(0, 0)
	}
	if err != nil {
		return fmt.Errorf("write the plan to memory: %w", err)
	}
	explain := int(s.Explain.Fd())
	passed := []int{fd, m.conn, explain}
	var list []enter.Namespace
	for _, n := range m.Enter {
		list = append(list, enter.Namespace{Kind: n.Kind, FD: int(n.File.Fd())})
		passed = append(passed, int(n.File.Fd()))
	}
	args := []string{"sealift-starter", strconv.Itoa(fd), strconv.Itoa(m.conn), enter.Word(list), strconv.Itoa(explain)}
	for _, fd := range passed {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("pass a descriptor on: %w", err)
		}
	}
	err = syscall.Exec(s.Starter, append(args, s.Args...), []string{})
	for _, fd := range passed {
		unix.CloseOnExec(fd)
	}
	return fmt.Errorf("execute %s: %w", s.Starter, err)
}
