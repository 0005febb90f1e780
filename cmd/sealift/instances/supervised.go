package instances

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/instance"
	"github.com/sealift/sealift/runtime/spec"
)

// settle is how long a payload has to run until the start is told: most of what is wrong
// with one shows by then.
const settle = 200 * time.Millisecond

// started records that the payload runs, and has that told.
func (s *supervisor) started(ctx context.Context, pid int, c *spec.Container) error {
	if s.asked() {
		return errors.New("it was to be stopped") // before the container was there to hear of it
	}
	init, err := instance.Find(pid)
	if err != nil {
		return nil // it has ended already: why is known soon
	}
	container, err := json.Marshal(c.Joinable)
	if err != nil {
		return err
	}
	if err := s.update(func(st *instance.State) {
		st.Status, st.Init, st.Image, st.Container, st.Since = instance.Running, init, c.Joinable.Image, container, time.Now()
		st.Health = s.health.first()
	}); err != nil {
		return err
	}
	if err := s.writePID(pid); err != nil {
		return err
	}
	go func() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(settle):
		}
		s.tell()
		debug.FreeOSMemory() // what the start took
		if s.health.command != "" {
			s.check(ctx)
		}
	}()
	return nil
}

// writePID writes the file that --pid-file names.
func (s *supervisor) writePID(pid int) error {
	if s.pidFile == "" {
		return nil
	}
	f, err := os.OpenFile(s.pidFile, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return hint.Wrap(fmt.Errorf("--pid-file: %w", err), "name a file that you may write to, and no link")
	}
	_, err = fmt.Fprintln(f, pid)
	return errors.Join(err, f.Close())
}

// tell lets the command return that waits for the start. Messages go to the log from then
// on, and nothing of the terminal stays open.
func (s *supervisor) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready == nil {
		return
	}
	if err := s.LeaveTerminal(); err != nil {
		s.Warn("close the terminal: %v", err)
	}
	s.Out, s.Err, s.NoColor = s.out, s.err, true
	s.ready.Write([]byte{'.'}) // who has ended meanwhile is not told
	s.ready.Close()
	s.ready = nil
}

// told says whether the start has been told.
func (s *supervisor) told() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready == nil
}

// update changes the state, for others to see.
func (s *supervisor) update(change func(*instance.State)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.state)
	return s.claim.Write(&s.state)
}
