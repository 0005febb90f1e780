package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// watched is a layer that notes in a log shared with others when its stream
// opens, ends and closes.
type watched struct {
	*memLayer
	name string
	log  *[]string
	bad  error // of opening it
}

func (w *watched) String() string { return w.name }

func (w *watched) note(what string) { *w.log = append(*w.log, what+" "+w.name) }

func (w *watched) Open(ctx context.Context) (io.ReadCloser, error) {
	w.note("open")
	if w.bad != nil {
		return nil, w.bad
	}
	r, err := w.memLayer.Open(ctx)
	return &watchedStream{r, w}, err
}

type watchedStream struct {
	io.ReadCloser
	w *watched
}

func (s *watchedStream) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err == io.EOF {
		s.w.note("end")
	}
	return n, err
}

func (s *watchedStream) Close() error {
	s.w.note("close")
	return s.ReadCloser.Close()
}

// watchedLayers are named a, b and so on; each holds a file of that name.
func watchedLayers(t *testing.T, n int) ([]Layer, *[]string) {
	log := new([]string)
	var layers []Layer
	for i := range n {
		name := string(rune('a' + i))
		layers = append(layers, &watched{memLayer: &memLayer{data: tarOf(t, []ent{file(name, name)})}, name: name, log: log})
	}
	return layers, log
}

// TestStreamsOpenEarly: each layer is opened before the one that is read
// before it, and no earlier.
func TestStreamsOpenEarly(t *testing.T) {
	layers, log := watchedLayers(t, 4)
	if _, _, err := Merge(t.Context(), layers, new(storing).store); err != nil {
		t.Fatal(err)
	}
	want := "open d, open c, end d, close d, open b, end c, close c, open a, end b, close b, end a, close a"
	if got := strings.Join(*log, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestStreamsClose fails at any place: the layer it happened in is named, and
// every stream that was opened is closed.
func TestStreamsClose(t *testing.T) {
	full := errors.New("disk full")
	for i, name := range []string{"a", "b", "c", "d"} {
		for what, spoil := range map[string]func(*watched) Store{
			"open":  func(w *watched) Store { w.bad = full; return new(storing).store },
			"store": func(*watched) Store { return failing(name, full) },
			"damage": func(w *watched) Store {
				w.data = w.data[:300]
				return new(storing).store
			},
		} {
			layers, log := watchedLayers(t, 4)
			bad := layers[i].(*watched)
			_, _, err := Merge(t.Context(), layers, spoil(bad))
			if err == nil || !strings.HasPrefix(err.Error(), "layer "+name+": ") || what != "damage" && !errors.Is(err, full) {
				t.Errorf("%s of %s: error %v", what, name, err)
			}
			for _, l := range layers {
				l := l.(*watched)
				opened, closed := slices.Contains(*log, "open "+l.name), slices.Contains(*log, "close "+l.name)
				if closed != (opened && l.bad == nil) {
					t.Errorf("%s of %s: layer %s opened %v, closed %v", what, name, l.name, opened, closed)
				}
			}
		}
	}
}

// failing returns a Store that takes every file but the one that holds body.
func failing(body string, err error) Store {
	return func(r io.Reader, _ int64) (Content, error) {
		b, readErr := io.ReadAll(r)
		if string(b) == body {
			return nil, fmt.Errorf("store: %w", err)
		}
		return Bytes(b), readErr
	}
}
