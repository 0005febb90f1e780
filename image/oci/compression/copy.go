package compression

import (
	"bufio"
	"context"
	"io"

	"github.com/sealift/sealift/buildcfg/hint"
)

// counter counts what is read, until its context ends: a decoder may read far
// without yielding anything.
type counter struct {
	ctx context.Context
	r   io.Reader
	n   int64 // bytes
}

func (c *counter) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// Copy decompresses r into w, within bounds and until ctx ends.
func Copy(ctx context.Context, w io.Writer, k Kind, r io.Reader, bounds Expansion) error {
	in := &counter{ctx: ctx, r: r}
	decoder, err := NewDecoder(k, bufio.NewReader(in))
	if err != nil {
		return damaged(err)
	}
	defer decoder.Close()
	buf := make([]byte, 256<<10)
	for out := int64(0); ; {
		n, err := decoder.Read(buf)
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		out += int64(n)
		switch {
		case err == io.EOF:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return damaged(err)
		}
		if err := bounds.Check(out, in.n); err != nil {
			return err
		}
	}
}

func damaged(err error) error {
	return hint.Wrap(err, "the file is damaged; fetch or make it again")
}
