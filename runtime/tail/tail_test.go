package tail

import (
	"slices"
	"strings"
	"testing"
)

func TestTail(t *testing.T) {
	x := &Tail{}
	if lines := x.Lines(3); len(lines) != 0 {
		t.Errorf("%q", lines)
	}
	for _, text := range []string{strings.Repeat("x", Size) + "\n", "one\ntw", "o\n\n", " three"} {
		if n, err := x.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
	}
	if lines := x.Lines(2); !slices.Equal(lines, []string{"two", "three"}) {
		t.Errorf("%q", lines)
	}
	if all := strings.Join(x.Lines(99), "\n"); len(all) > Size {
		t.Errorf("%d bytes", len(all))
	}
}
