package compression

import (
	"fmt"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Expansion bounds what a decoder may make of its input: when it has made
// more than Free bytes, these are at most Times the bytes it has read.
type Expansion struct{ Free, Times int64 }

// Limit stops bombs. DEFLATE expands by less than 1032, and no layer of
// 64 GiB compresses nearly as well.
var Limit = Expansion{Free: 64 << 30, Times: 1000}

// Check tells whether in bytes may expand to out.
func (e Expansion) Check(out, in int64) error {
	if out > e.Free && out/e.Times > in {
		return hint.New(fmt.Sprintf("%d bytes expand to more than %d", in, out),
			"check where the image comes from; this looks like a decompression bomb")
	}
	return nil
}
