package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// opened is the stream of a layer, or why there is none.
type opened struct {
	stream io.ReadCloser
	err    error
}

// openFirst opens the layer that comes first in order, if there is one.
func openFirst(ctx context.Context, layers []Layer, order []int) (o opened) {
	if len(order) > 0 {
		o.stream, o.err = layers[order[0]].Open(ctx)
	}
	return o
}

func (o opened) close() error {
	if o.stream == nil {
		return nil
	}
	return o.stream.Close()
}

// eachStream reads layers in the order that their indices are given in. While
// one is read the next runs ahead already. More than one would gain nothing,
// since a stream has run ahead as far as it may long before it is its turn.
func (m *merger) eachStream(layers []Layer, order []int, read func(i int, stream io.Reader) error) (err error) {
	next := openFirst(m.ctx, layers, order)
	defer func() { err = errors.Join(err, next.close()) }()
	for at, i := range order {
		now := next
		next = openFirst(m.ctx, layers, order[at+1:])
		err := now.err
		if err == nil {
			err = read(i, now.stream)
		}
		if err := errors.Join(err, now.close()); err != nil {
			return fmt.Errorf("layer %s: %w", layers[i], err)
		}
	}
	return nil
}
