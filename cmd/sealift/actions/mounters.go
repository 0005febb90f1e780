package actions

import (
	"sync"
	"time"

	"github.com/sealift/sealift/runtime/launch"
)

// mounters are programs that serve file systems of a container.
type mounters struct{ running sync.WaitGroup }

func (m *mounters) serve(x *launch.Mounter, fd int) error {
	m.running.Add(1)
	defer m.running.Done()
	return x.Serve(fd)
}

// lastWrites bounds how long a program that served a file system may take to end
// after the container has: it may have something to write.
const lastWrites = 10 * time.Second

// settle waits for the programs, in vain if it is false: what is left of them ends
// with this process.
func (m *mounters) settle() bool {
	done := make(chan struct{})
	go func() {
		m.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-time.After(lastWrites):
		return false
	}
}
