package cache

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/cache/claim"
)

// What was verified is noted, so that a large entry is not read at each use:
//
//	KIND/KEY.seen   lines of "BOOT INODE SIZE CTIME": what file was verified
//	                since the host started, for each host that did
//
// A file that was changed since has another time of change, which nobody but
// root can set: inode(7). Therefore the time of the last use is that of the
// note, not of the entry. An entry below has its note in the cache above.

const (
	seenSuffix = ".seen"
	maxSeen    = 8 << 10 // bytes; then it begins anew
)

// settled is how long a file has to have been the same for its time of change to
// tell of the next change. File systems keep it to a second, or two (vfat).
const settled = 3 * time.Second

// seenKey returns the key of the entry that a note is about.
func seenKey(name string) (key string, ok bool) {
	key, ok = strings.CutSuffix(name, seenSuffix)
	return key, ok && isKey(key)
}

// trust fails with errDamaged unless an entry that has a digest was verified
// under this boot, or is good now. The others it leaves to the caller.
func (c *Cache) trust(ctx context.Context, e *Entry) error {
	if e.digest == "" {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(e.file.Fd()), &st); err != nil {
		return damaged(e.info.ID, err)
	}
	line := fmt.Sprintf("%s %d %d %d\n", claim.BootID(), st.Ino, st.Size, st.Ctim.Nano())
	note := c.openNote(e.info.ID)
	defer func() {
		if note != nil {
			_ = note.Close() // what it lacks is verified again
		}
	}()
	if isNoted(note, line) {
		return nil
	}
	if err := e.Verify(ctx); err != nil {
		return err
	}
	addNote(note, line, time.Unix(st.Ctim.Unix()))
	return nil
}

// openNote opens the note of an entry and sets the time of its use. It is nil
// where there can be none.
func (c *Cache) openNote(id ID) *os.File {
	dir, err := c.makeKind(id.Kind)
	if err != nil {
		return nil
	}
	defer dir.Close()
	name := id.Key + seenSuffix
	fd, err := claim.Openat(dir, name, unix.O_RDWR|unix.O_CREAT|unix.O_APPEND, 0o600)
	if err != nil {
		return nil
	}
	_ = claim.Touch(dir, name) // only the order of eviction depends on it
	return os.NewFile(uintptr(fd), dir.Name()+"/"+name)
}

// isNoted says whether a note of the caller's has the line.
func isNoted(note *os.File, line string) bool {
	if note == nil || strings.HasPrefix(line, " ") { // without the boot
		return false
	}
	var st unix.Stat_t
	if unix.Fstat(int(note.Fd()), &st) != nil || !(store{}).trusts(&st) {
		return false
	}
	b, err := io.ReadAll(io.NewSectionReader(note, 0, 2*maxSeen))
	return err == nil && strings.Contains("\n"+string(b), "\n"+line)
}

// addNote adds a line about a file that was verified when it had been the same
// for a while. Of what fails here nothing depends.
func addNote(note *os.File, line string, changed time.Time) {
	var st unix.Stat_t
	if note == nil || unix.Fstat(int(note.Fd()), &st) != nil || time.Unix(st.Mtim.Unix()).Sub(changed) < settled {
		return
	}
	if st.Size > maxSeen {
		_ = note.Truncate(0)
	}
	_, _ = note.WriteString(line)
}

// sum returns the SHA-256 digest of the first size bytes of a file.
func sum(ctx context.Context, f *os.File, size int64) (string, error) {
	h := sha256.New()
	r := io.NewSectionReader(f, 0, size)
	buf := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, err := r.Read(buf)
		_, _ = h.Write(buf[:n]) // never fails
		if errors.Is(err, io.EOF) {
			return string(h.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
}
