package layout

import (
	"slices"
	"testing"
	"testing/fstest"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/starter/plan"
)

func TestReasons(t *testing.T) {
	l := New(image.Info{}, &host.Facts{Root: fstest.MapFS{}})
	l.Do(plan.Pivot)
	l.Because("first")
	if err := l.Tmpfs("/a", "", "0755"); err != nil {
		t.Fatal(err)
	}
	l.Because("nothing")
	l.Because("second")
	l.Do(plan.Pivot)
	if err := l.Tmpfs("/b", "", "0755"); err != nil {
		t.Fatal(err)
	}
	var ops, extras []string
	for i := range l.Ops {
		ops = append(ops, l.Why(i))
	}
	for i := range l.Extras {
		extras = append(extras, l.WhyExtra(i))
	}
	if want := []string{"", "first", "second", "second"}; !slices.Equal(ops, want) {
		t.Errorf("operations %q, want %q", ops, want)
	}
	if want := []string{"first", "second"}; !slices.Equal(extras, want) {
		t.Errorf("entries %q, want %q", extras, want)
	}
	l.LeaveOut("/x", "a flag")
	l.LeaveOut("/x", "a flag")
	if !slices.Equal(l.Left, []LeftOut{{"/x", "a flag"}}) {
		t.Errorf("left out %v", l.Left)
	}
}
