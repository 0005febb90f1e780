package tree

import (
	"io"
	"io/fs"
)

// Listing is what is left to read of an open directory, for a file of package
// io/fs to embed.
type Listing []fs.DirEntry

// ReadDir returns the next n entries, or all that are left if n <= 0
// (fs.ReadDirFile).
func (l *Listing) ReadDir(n int) ([]fs.DirEntry, error) {
	rest := *l
	if n > 0 && len(rest) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(rest) {
		n = len(rest)
	}
	*l = rest[n:]
	return rest[:n:n], nil
}
