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
	all     map[*launch.Mounter]bool // that run
}

func (m *mounters) serve(x *launch.Mounter, fd int) error {
	m.running.Add(1)
	defer m.running.Done()
	m.mark(x, true)
	defer m.mark(x, false)
	return x.Serve(fd)
}

// mark notes that a program is about to run, or has ended.
func (m *mounters) mark(x *launch.Mounter, runs bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = map[*launch.Mounter]bool{}
	}
	if m.all[x] = runs; !runs {
		delete(m.all, x)
	}
}

// none says that no program runs.
func (m *mounters) none() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.all) == 0
}

// lastWrites bounds how long a program that served a file system may take to end
// after the container has: it may have something to write.
const lastWrites = 10 * time.Second

// kill kills the programs, and what they have started.
func (m *mounters) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for x := range m.all {
		x.Kill()
	}
}

// settle waits for the programs, in vain if it is false: they do not end in time, or
// somebody has enough of waiting. A signal that is there already is left where none runs.
func (m *mounters) settle(signals <-chan os.Signal) bool {
	if m.none() {
		return true
	}
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
