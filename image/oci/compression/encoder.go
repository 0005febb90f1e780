package compression

import (
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Choice is how a layer is to be compressed.
type Choice struct {
	// Kind is None, Gzip or Zstd.
	Kind Kind
	// Level is 1 to 9 of gzip and 1 to 22 of zstd; 0 is the usual one of any.
	Level int
}

// The levels that a Choice without one stands for.
const (
	usualGzip = 6
	usualZstd = 3
)

// window is how far back zstd looks, in bytes: the most that RFC 8878, section
// 3.1.1.1.2, recommends every decoder to support.
const window = 8 << 20

// gzipBlock is how many bytes one goroutine compresses at a time, and maxBlocks
// how many blocks are held at most: they bound memory. What comes out depends
// on the first only.
const (
	gzipBlock = 1 << 20
	maxBlocks = 16
)

// ParseChoice reads a choice as users write it: "gzip" or "zstd", either with a
// level behind a colon ("zstd:19"), or "none".
func ParseChoice(text string) (Choice, error) {
	name, level, leveled := strings.Cut(text, ":")
	kind, known := map[string]Kind{"gzip": Gzip, "zstd": Zstd, "none": None}[name]
	highest := map[Kind]int{Gzip: 9, Zstd: 22}[kind]
	switch {
	case !known:
		return Choice{}, hint.New(fmt.Sprintf("a layer cannot be compressed by %q", text),
			"choose gzip[:LEVEL], zstd[:LEVEL] or none")
	case !leveled:
		return Choice{Kind: kind}, nil
	case highest == 0:
		return Choice{}, hint.New(fmt.Sprintf("compression %q: %s has no levels", text, name), "write %s alone", name)
	}
	n, err := strconv.Atoi(level)
	if err != nil || n < 1 || n > highest {
		return Choice{}, hint.New(fmt.Sprintf("compression %q: the levels of %s are 1 to %d", text, name, highest),
			"higher levels are smaller and slower to make; %s alone is the default", name)
	}
	return Choice{kind, n}, nil
}

// MediaType returns the type of a layer that is compressed so: layer.md of the
// OCI image format.
func (k Kind) MediaType() string {
	const layer = "application/vnd.oci.image.layer.v1.tar"
	if k == None {
		return layer
	}
	return layer + "+" + string(k)
}

// NewEncoder compresses what is written to it, and writes that to w, on as many
// processors as there are. Equal inputs give equal outputs, however they come
// and whatever the machine. Close ends the stream and leaves w open.
func NewEncoder(w io.Writer, c Choice) (io.WriteCloser, error) {
	blocks := min(runtime.GOMAXPROCS(0), maxBlocks)
	level := c.Level
	switch c.Kind {
	case None:
		return unchanged{w}, nil
	case Gzip:
		if level == 0 {
			level = usualGzip
		}
		z, err := pgzip.NewWriterLevel(w, level)
		if err != nil {
			return nil, err
		}
		return z, z.SetConcurrency(gzipBlock, blocks)
	case Zstd:
		if level == 0 {
			level = usualZstd
		}
		return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)),
			zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(min(blocks, 2)))
	}
	return nil, fmt.Errorf("a layer cannot be compressed as %q", c.Kind)
}

// unchanged is the encoder of None.
type unchanged struct{ io.Writer }

func (unchanged) Close() error { return nil }
