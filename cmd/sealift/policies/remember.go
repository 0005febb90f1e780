package policies

import (
	"errors"
	"sync/atomic"

	"github.com/sealift/sealift/cmd/sealift/bars"
	"github.com/sealift/sealift/cmd/sealift/caches"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/trust/gate"
	"github.com/sealift/sealift/image/trust/remember"
)

// worthTelling is from how many bytes on reading an image is said to take a while.
const worthTelling = 256 << 20

// remembering has a Gate tell of what it reads whole, and remember that in the user's cache
// unless it is to be read anew each time.
func remembering(p *ui.Process, g *gate.Gate, anew bool) {
	var large atomic.Bool // what was read last
	var waits atomic.Int32
	g.Whole = func(size int64) gate.Progress {
		large.Store(size >= worthTelling)
		if size < worthTelling {
			return (*bars.Bar)(nil)
		}
		bar := bars.Start(p, "verifying the image")
		if bar == nil {
			p.Info("reading %s to verify the image", ui.Bytes(size))
		}
		bar.Expect(size)
		return bar
	}
	if anew {
		return
	}
	waiting := func() {
		if waits.Add(1) > 1 { // it takes its time
			p.Info("waiting for another process that reads the same image to verify it")
		}
	}
	g.Memory = &remember.Trees{
		Open: func() (*cache.Cache, error) { return caches.Find(p, waiting) },
		Warn: func(err error) {
			// That a small one is read again is nothing to bother about.
			if _, ok := errors.AsType[*remember.NotKeptError](err); !ok || large.Load() {
				p.Warn("%v", err)
			}
		},
	}
}
