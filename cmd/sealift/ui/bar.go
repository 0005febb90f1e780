package ui

import (
	"io"
	"slices"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Bar shows on a terminal how much of something has come. Messages of the
// process appear above it. A nil Bar shows nothing.
type Bar struct {
	p    *Process
	err  io.Writer // what p.Err was
	name string
	pool *mpb.Progress
	bar  *mpb.Bar
}

// StartBar starts a bar on standard error, where that is a terminal that can
// show one and the user wants information; else it returns nil. It is not seen
// before Expect. Stop ends it.
func (p *Process) StartBar(name string) *Bar {
	if !p.shows() {
		return nil
	}
	b := &Bar{p: p, err: p.Err, name: name, pool: mpb.New(mpb.WithOutput(p.Stderr), mpb.WithAutoRefresh(), mpb.WithWidth(barWidth))}
	p.Err = b.pool
	return b
}

// barWidth is how many columns the bar takes, its numbers left out.
const barWidth = 40

// shows says that standard error is a terminal on which something may move, and nothing does
// yet: messages go through what does.
func (p *Process) shows() bool {
	return p.Err == io.Writer(p.Stderr) && !p.Quiet && !p.Silent && p.takesEscapes() && columns(p.Stderr) > 0
}

// takesEscapes says that the terminal takes escape sequences, and that the user does.
func (p *Process) takesEscapes() bool {
	return !p.NoColor && p.Variable("NO_COLOR") == "" && !slices.Contains([]string{"", "dumb"}, p.Variable("TERM"))
}

// Expect shows the bar, for total bytes; 0 if nobody knows how many there are.
func (b *Bar) Expect(total int64) {
	if b == nil || b.bar != nil {
		return
	}
	b.bar = b.pool.AddBar(total, mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(Clean(b.name)+" ")),
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
