package instance

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Missing is the error that there is no instance of a name.
func Missing(name string) error {
	return hint.New("no instance found with name "+name, "'sealift instance list' shows those that run")
}

// Find returns the instance of a name, one that has failed only with ended. It must be
// closed.
func (s *Store) Find(name string, ended bool) (*Instance, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	list, problems, err := s.List(name, ended)
	if err == nil {
		err = errors.Join(problems...)
	}
	switch {
	case len(list) == 1:
		return list[0], nil
	case len(list) > 1:
		err = hint.New(fmt.Sprintf("instances %s are in the jobs %s and %s", name, list[0].Job, list[1].Job), "set SLURM_JOB_ID to one of them")
	case err == nil:
		return nil, Missing(name)
	}
	for _, i := range list {
		i.Close()
	}
	return nil, err
}

// Enter returns the first process of the container. It must be closed.
func (i *Instance) Enter() (*Handle, error) {
	if i.Status == Starting || i.Init.PID == 0 {
		return nil, hint.New("instance "+i.Name+" does not run yet", "wait until its payload does: 'sealift instance list' shows it")
	}
	h, err := i.Init.Open(i.uid)
	if err != nil {
		return nil, fmt.Errorf("instance %s: %w", i.Name, err)
	}
	inside, err := last(h.PID, "NSpid")
	if s, fault := readStat(h.PID); err != nil || fault != nil || s.parent != i.Supervisor.PID || inside != "1" {
		h.Close()
		return nil, fmt.Errorf("instance %s: process %d is not of its container", i.Name, h.PID)
	}
	return h, nil
}

// Stop asks the instance to end by a signal, and kills it when it has not after a time.
// With SIGKILL it is killed at once. It tells whether it had to be killed by the time.
func (i *Instance) Stop(signal unix.Signal, patience time.Duration) (killed bool, err error) {
	h, err := i.Supervisor.Open(i.uid)
	if errors.Is(err, errGone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer h.Close()
	if i.own {
		f, err := i.root.OpenFile(stopFile, os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return false, err
		}
		f.Close() // it is empty
	}
	if signal != unix.SIGKILL {
		if err := h.Signal(signal); err != nil {
			return false, err
		}
		if h.Wait(patience) {
			return false, nil
		}
		killed = true
	}
	return killed, i.kill(h)
}

// killTime is how long the kernel may take to end the processes of a container.
const killTime = 10 * time.Second

// kill kills the supervisor; the kernel then kills the container.
func (i *Instance) kill(h *Handle) error {
	init, err := i.Init.Open(i.uid)
	if err == nil {
		defer init.Close()
	}
	if err := h.Signal(unix.SIGKILL); err != nil {
		return err
	}
	if !h.Wait(killTime) || init != nil && !init.Wait(killTime) {
		return fmt.Errorf("instance %s does not end: its processes wait for a device or a file system", i.Name)
	}
	return nil
}

// Forget removes what is left of instances of a name that have ended.
func (s *Store) Forget(pattern string) error {
	list, problems, err := s.List(pattern, true)
	err = errors.Join(err, errors.Join(problems...))
	for _, i := range list {
		if !i.locked && i.own {
			err = errors.Join(err, i.forget())
		}
		i.Close()
	}
	return err
}

// forget removes what is left of i.
func (i *Instance) forget() error {
	root, err := i.base.Open(directory, false)
	if err != nil {
		return err
	}
	defer root.Close()
	return remove(root, i.Job, i.Name, i.uid)
}
