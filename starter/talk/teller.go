package talk

import (
	"slices"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/plan"
)

// Teller tells of a failure.
type Teller struct {
	// Report is the report socket.
	Report int
	// Program, unless -1, is the descriptor of a program that explains it to the user, with
	// its arguments, and Plan that of the plan.
	Program, Plan int
	Args          []string
}

// Fail tells of r: over the socket, or by executing the program in the place of this one,
// with the descriptor of the plan and the report as its last arguments.
func (t *Teller) Fail(r *plan.Report) {
	if t.Program < 0 {
		Tell(t.Report, r)
		return
	}
	unix.Seek(t.Plan, 0, 0)
	unix.FcntlInt(uintptr(t.Plan), unix.F_SETFD, 0)
	args := append(slices.Clone(t.Args), strconv.Itoa(t.Plan), string(r.Encode()))
	execveat(t.Program, args)
	const text = "sealift: error: the container could not be started, and the program is missing that explains it\n"
	unix.Write(2, []byte(text)) //nolint: there is nowhere else to say it
}

// execveat executes an open program with an empty environment (execveat(2)). It returns
// when that fails.
func execveat(program int, args []string) {
	argv, err := syscall.SlicePtrFromStrings(args)
	if err != nil {
		return
	}
	none, empty := [1]*byte{}, [1]byte{}
	unix.Syscall6(unix.SYS_EXECVEAT, uintptr(program), uintptr(unsafe.Pointer(&empty)), uintptr(unsafe.Pointer(&argv[0])),
		uintptr(unsafe.Pointer(&none)), unix.AT_EMPTY_PATH, 0)
}
