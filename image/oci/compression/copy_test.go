package compression

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestCopy(t *testing.T) {
	text := bytes.Repeat([]byte("all of it "), 100_000)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	full := errors.New("no space")
	for name, c := range map[string]struct {
		ctx    context.Context
		in     []byte
		bounds Expansion
		to     error // what writing fails with
		want   string
		hint   string
	}{
		"whole":  {in: packed.Bytes(), bounds: Limit},
		"bomb":   {in: packed.Bytes(), bounds: Expansion{Free: 1000, Times: 2}, want: "bytes expand to more than", hint: "bomb"},
		"cut":    {in: packed.Bytes()[:packed.Len()/2], bounds: Limit, want: "unexpected EOF", hint: "fetch or make it again"},
		"not it": {in: []byte("no gzip"), bounds: Limit, want: "gzip", hint: "fetch or make it again"},
		"ended":  {ctx: ended, in: packed.Bytes(), bounds: Limit, want: "canceled"},
		"full":   {in: packed.Bytes(), bounds: Limit, to: full, want: "no space"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.ctx == nil {
				c.ctx = t.Context()
			}
			to := &target{err: c.to}
			err := Copy(c.ctx, to, Gzip, bytes.NewReader(c.in), c.bounds)
			if c.want == "" {
				if err != nil || !bytes.Equal(to.Bytes(), text) {
					t.Errorf("%d bytes, %v", to.Len(), err)
				}
			} else if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(hint.Of(err), c.hint) {
				t.Errorf("error %v, hint %q", err, hint.Of(err))
			}
		})
	}
}

// target is written to, if that does not fail.
type target struct {
	bytes.Buffer
	err error
}

func (w *target) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	return w.Buffer.Write(p)
}
