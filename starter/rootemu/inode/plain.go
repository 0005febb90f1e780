package inode

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Plain remembers files without a record of an owner, so that a look at one of the
// base's need not go to its server each time. A file is known by its number
// and the time of its last change, which every new record moves.
type Plain struct {
	mu    sync.Mutex
	known map[plainFile]struct{}
}

type plainFile struct {
	major, minor uint32
	inode        uint64
	changed      unix.StatxTimestamp
}

const (
	// maxPlain bounds the memory.
	maxPlain = 1 << 15
	// settled is how long ago a change must be, in seconds, for the next one
	// to have another time for certain.
	settled = 2
)

func identity(st *unix.Statx_t) plainFile {
	return plainFile{st.Dev_major, st.Dev_minor, st.Ino, st.Ctime}
}

// Has tells whether a file is known, as it is now.
func (p *Plain) Has(st *unix.Statx_t) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.known[identity(st)]
	return ok
}

// Add makes a file known, unless it changed just now.
func (p *Plain) Add(st *unix.Statx_t) {
	if st.Ctime.Sec > time.Now().Unix()-settled {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil || len(p.known) >= maxPlain {
		p.known = make(map[plainFile]struct{})
	}
	p.known[identity(st)] = struct{}{}
}
