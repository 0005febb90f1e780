package codec

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/squashfs/format"
)

// The levels that a Choice without one stands for. Beyond gzip 6, deflate
// costs several times the work for about one percent of size.
const (
	DefaultGzipLevel = 6
	DefaultZstdLevel = 3
)

// Choice is how an image is to be compressed. The zero value is zstd at its
// default level.
type Choice struct {
	// ID is the superblock's compression id: format.Zstd, format.Gzip,
	// format.LZ4 or format.XZ. 0 means format.Zstd.
	ID uint16
	// Level is 1 to 9 of gzip, 1 to 22 of zstd, and 0, the default, of any.
	Level int
	// Store leaves everything as it is. The image then names a compression
	// that it does not use: gzip, which every kernel knows.
	Store bool
}

// Parse reads a choice as users write it: "zstd", "gzip", either with a level
// behind a colon ("zstd:19"), "lz4", "xz" or "none".
func Parse(text string) (Choice, error) {
	name, level, leveled := strings.Cut(text, ":")
	c, known := map[string]Choice{
		"zstd": {ID: format.Zstd}, "gzip": {ID: format.Gzip}, "lz4": {ID: format.LZ4}, "xz": {ID: format.XZ},
		"none": {ID: format.Gzip, Store: true},
	}[name]
	if !known {
		return c, hint.New(fmt.Sprintf("unknown compression %q", text), "choose zstd[:LEVEL], gzip[:LEVEL], lz4, xz or none")
	}
	if !leveled {
		return c, nil
	}
	highest := highestLevel(c)
	n, err := strconv.Atoi(level)
	switch {
	case highest == 0:
		return c, hint.New(fmt.Sprintf("compression %q: %s has no levels", text, name), "write %s alone", name)
	case err != nil || n < 1 || n > highest:
		return c, hint.New(fmt.Sprintf("compression %q: the levels of %s are 1 to %d", text, name, highest),
			"higher levels are smaller and slower to make; %s alone is the default", name)
	}
	c.Level = n
	return c, nil
}

// highestLevel returns 0 for a compression without levels.
func highestLevel(c Choice) int {
	switch {
	case c.Store:
		return 0
	case c.ID == format.Gzip:
		return 9
	case c.ID == format.Zstd:
		return 22
	}
	return 0
}

// resolve replaces zero values by what they stand for and checks the rest.
func (c Choice) resolve() (Choice, error) {
	if c.ID == 0 {
		c.ID = format.Zstd
	}
	switch highest := highestLevel(c); {
	case c.Level < 0 || c.Level > highest:
		return c, fmt.Errorf("squashfs: %s has no level %d", Name(c.ID), c.Level)
	case c.Level > 0:
	case c.ID == format.Gzip:
		c.Level = DefaultGzipLevel
	case c.ID == format.Zstd:
		c.Level = DefaultZstdLevel
	}
	return c, nil
}
