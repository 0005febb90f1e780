package bounded

import "testing"

// fails notes that it failed.
type fails struct {
	testing.TB
	failed bool
}

func (f *fails) Helper()               {}
func (f *fails) Errorf(string, ...any) { f.failed = true }

func TestDo(t *testing.T) {
	var kept []byte
	for size, want := range map[int]bool{1 << 20: false, 2 * Memory: true} {
		f := &fails{TB: t}
		Do(f, func() { kept = make([]byte, size) })
		if f.failed != want || len(kept) != size {
			t.Errorf("%d bytes: failed %v", size, f.failed)
		}
	}
}
