// Package bars shows on a terminal how much of something has come.
//
// Input: a process, whose messages appear above the bar, and numbers of bytes. Output:
// what moves on standard error, and nothing where that is no terminal.
package bars

import (
	"io"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/sealift/sealift/cmd/sealift/ui"
)

// Bar shows on a terminal how much of something has come. Messages of the
// process appear above it. A nil Bar shows nothing.
type Bar struct {
	p    *ui.Process
	err  io.Writer // what p.Err was
	name string
	pool *mpb.Progress
	bar  *mpb.Bar
}

// Start starts a bar on standard error, where that is a terminal that can
// show one and the user wants information; else it returns nil. It is not seen
// before Expect. Stop ends it.
func Start(p *ui.Process, name string) *Bar {
	if !p.Shows() {
		return nil
	}
	b := &Bar{p: p, err: p.Err, name: name, pool: mpb.New(mpb.WithOutput(p.Stderr), mpb.WithAutoRefresh(), mpb.WithWidth(barWidth))}
	p.Err = b.pool
	return b
}

// barWidth is how many columns the bar takes, its numbers left out.
const barWidth = 40

// Expect shows the bar, for total bytes; 0 if nobody knows how many there are.
func (b *Bar) Expect(total int64) {
	if b == nil || b.bar != nil {
		return
	}
	b.bar = b.pool.AddBar(total, mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(ui.Clean(b.name)+" ")),
		mpb.AppendDecorators(decor.CountersKiloByte("% .1f / % .1f"), decor.AverageSpeed(decor.SizeB1000(0), " % .1f "), decor.AverageETA(decor.ET_STYLE_GO)))
}

// Add tells that n bytes more have come. Any goroutine may call it.
func (b *Bar) Add(n int64) {
	if b != nil && b.bar != nil {
		b.bar.IncrInt64(n)
	}
}

// Stop removes the bar.
func (b *Bar) Stop() {
	if b == nil {
		return
	}
	if b.bar != nil {
		b.bar.Abort(true)
	}
	b.pool.Wait()
	b.p.Err = b.err
}
