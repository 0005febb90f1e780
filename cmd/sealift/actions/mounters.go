package actions

import (
	"os"
	"sync"
	"time"

	"github.com/sealift/sealift/runtime/launch"
)

// mounters are programs that serve file systems of a container.
type mounters struct {
	running sync.WaitGroup
	mu      sync.Mutex
	all     []*launch.Mounter
}

func (m *mounters) serve(x *launch.Mounter, fd int) error {
	m.mu.Lock()
	m.all = append(m.all, x)
	m.mu.Unlock()
	m.running.Add(1)
	defer m.running.Done()
	return x.Serve(fd)
}

// lastWrites bounds how long a program that served a file system may take to end
// after the container has: it may have something to write.
const lastWrites = 10 * time.Second

// kill kills the programs, and what they have started.
func (m *mounters) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.all {
		x.Kill()
	}
}

// settle waits for the programs, in vain if it is false: they do not end in time, or
// somebody has enough of waiting.
func (m *mounters) settle(signals <-chan os.Signal) bool {
	done := make(chan struct{})
	go func() {
		m.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-signals:
	case <-time.After(lastWrites):
	}
	return false
}
