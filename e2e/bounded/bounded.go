// Package bounded holds what fuzz targets have in common: an oracle of memory.
//
// Input: a function that reads what it was not to trust. Output: a test that
// fails where it takes too much. It must not be imported but by tests.
package bounded

import (
	"runtime/metrics"
	"testing"
)

// Memory is how many bytes one input of a fuzz target may have allocated, all
// told: inputs are small, and what is freed meanwhile cost time all the same.
const Memory = 64 << 20

const allocated = "/gc/heap/allocs:bytes"

// Do runs a function that may allocate no more than Memory.
func Do(t testing.TB, run func()) {
	t.Helper()
	With(t, 0, run)
}

// With runs a function that may allocate so many bytes more than Memory, which its format
// lets a few bytes ask for.
func With(t testing.TB, more uint64, run func()) {
	t.Helper()
	before := bytes()
	run()
	if n := bytes() - before; n > Memory+more {
		t.Errorf("%d MiB were allocated, more than %d", n>>20, (Memory+more)>>20)
	}
}

// bytes reads a counter that does not stop other goroutines, as
// runtime.ReadMemStats would.
func bytes() uint64 {
	sample := []metrics.Sample{{Name: allocated}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
