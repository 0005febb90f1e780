package talk

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/plan"
)

func pair(t *testing.T) (a, b int) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[0]) })
	return p[0], p[1]
}

// inode tells descriptors of one file by.
func inode(t *testing.T, fd int) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

// TestAsk has a question with a descriptor answered with another one, and without.
func TestAsk(t *testing.T) {
	a, b := pair(t)
	defer unix.Close(b)
	file, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	sent := plan.Report{Stage: plan.StageFill, Index: 7}
	for _, answer := range []int{int(file.Fd()), -1} {
		failed := make(chan error, 1)
		go func() {
			msg, rights := make([]byte, 256), make([]byte, unix.CmsgSpace(4))
			n, oobn, _, _, err := unix.Recvmsg(b, msg, rights, 0)
			r, parseErr := plan.ParseReport(msg[:n])
			if r != sent || Received(rights[:oobn]) < 0 {
				err = errors.Join(err, parseErr, errors.New("another question arrived"))
			}
			failed <- errors.Join(err, Answer(b, answer))
		}()
		fd, err := Ask(a, &sent, int(file.Fd()))
		if err := errors.Join(err, <-failed); err != nil {
			t.Fatal(err)
		}
		if (fd >= 0) != (answer >= 0) || fd >= 0 && inode(t, fd) != inode(t, answer) {
			t.Errorf("the answer is %d, for %d", fd, answer)
		}
	}
}

// TestNobody asks when nobody is there, or is gone before the answer.
func TestNobody(t *testing.T) {
	a, b := pair(t)
	go func() {
		buf := make([]byte, 256)
		_, _ = unix.Read(b, buf)
		unix.Close(b)
	}()
	if fd, err := Ask(a, &plan.Report{Stage: plan.StageFill}); fd != -1 || !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("%d, %v", fd, err)
	}
	if err := Tell(a, &plan.Report{Stage: plan.StageOp}); !errors.Is(err, unix.EPIPE) {
		t.Errorf("%v", err)
	}
	if Received(nil) != -1 || Received(make([]byte, 24)) != -1 {
		t.Error("a descriptor out of nothing")
	}
}
