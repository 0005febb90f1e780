package rootemu

import (
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/rootemu/creds"
	"github.com/sealift/sealift/starter/rootemu/memory"
)

// maxGroups is the kernel's limit (NGROUPS_MAX, linux/limits.h).
const maxGroups = 65536

// change answers a call that changes credentials.
func change(f func(c *creds.Creds, a *[6]uint64) error) handler {
	return func(w *worker, a *[6]uint64) answer {
		c, err := w.creds()
		if err != nil {
			return failed(err)
		}
		if err := f(&c, a); err != nil {
			return failed(err)
		}
		return failed(w.numbers.Write(w.pid, c))
	}
}

func users(c *creds.Creds) *creds.IDs  { return &c.User }
func groups(c *creds.Creds) *creds.IDs { return &c.Group }

// changeIDs is change for one kind of ids.
func changeIDs(of func(*creds.Creds) *creds.IDs, f func(i creds.IDs, a *[6]uint64, privileged bool) (creds.IDs, error)) handler {
	return change(func(c *creds.Creds, a *[6]uint64) error {
		i := of(c)
		changed, err := f(*i, a, c.Privileged())
		*i = changed
		return err
	})
}

func setID(i creds.IDs, a *[6]uint64, p bool) (creds.IDs, error) { return i.Set(id32(a[0]), p) }
func setREID(i creds.IDs, a *[6]uint64, p bool) (creds.IDs, error) {
	return i.SetRE(id32(a[0]), id32(a[1]), p)
}
func setRESID(i creds.IDs, a *[6]uint64, p bool) (creds.IDs, error) {
	return i.SetRES(id32(a[0]), id32(a[1]), id32(a[2]), p)
}

// setFSID returns the id that was, whatever happens.
func setFSID(of func(*creds.Creds) *creds.IDs) handler {
	return func(w *worker, a *[6]uint64) answer {
		c, err := w.creds()
		if err != nil {
			return failed(err)
		}
		i := of(&c)
		old := i.FS
		if *i = i.SetFS(id32(a[0]), c.Privileged()); i.FS != old {
			if err := w.numbers.Write(w.pid, c); err != nil {
				return failed(err)
			}
		}
		return answer{value: int64(old)}
	}
}

// getID returns one id.
func getID(of func(*creds.Creds) uint32) handler {
	return func(w *worker, _ *[6]uint64) answer {
		c, err := w.creds()
		if err != nil {
			return failed(err)
		}
		return answer{value: int64(of(&c))}
	}
}

func getUID(c *creds.Creds) uint32  { return c.User.Real }
func getEUID(c *creds.Creds) uint32 { return c.User.Effective }
func getGID(c *creds.Creds) uint32  { return c.Group.Real }
func getEGID(c *creds.Creds) uint32 { return c.Group.Effective }

// getRESID stores three ids.
func getRESID(of func(*creds.Creds) *creds.IDs) handler {
	return func(w *worker, a *[6]uint64) answer {
		c, err := w.creds()
		if err != nil {
			return failed(err)
		}
		i := of(&c)
		for n, id := range [...]uint32{i.Real, i.Effective, i.Saved} {
			if err := memory.Write(w.pid, a[n], native.AppendUint32(nil, id)); err != nil {
				return failed(err)
			}
		}
		return answer{}
	}
}

func getGroups(w *worker, a *[6]uint64) answer {
	c, err := w.creds()
	if err != nil {
		return failed(err)
	}
	size, list := int(int32(a[0])), []byte(c.Groups)
	n := len(list) / 4
	switch {
	case size < 0 || size > 0 && size < n:
		return failed(unix.EINVAL)
	case size > 0:
		if err := memory.Write(w.pid, a[1], list); err != nil {
			return failed(err)
		}
	}
	return answer{value: int64(n)}
}

func setGroups(w *worker, a *[6]uint64) answer {
	c, err := w.creds()
	if err != nil {
		return failed(err)
	}
	size := int(int32(a[0]))
	switch {
	case !c.Privileged():
		return failed(unix.EPERM)
	case size < 0 || size > maxGroups:
		return failed(unix.EINVAL)
	}
	list := make([]byte, 4*size)
	if size > 0 {
		if err := memory.Read(w.pid, a[1], list); err != nil {
			return failed(err)
		}
	}
	c.Groups = string(list)
	return failed(w.numbers.Write(w.pid, c))
}
