package actions

import (
	"os"
	"testing"

	"github.com/sealift/sealift/runtime/launch"
)

// TestSettle: a signal cuts the wait for programs short, and is not taken where there is
// nothing to wait for.
func TestSettle(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signals <- os.Interrupt
	var m mounters
	if !m.settle(signals) || len(signals) != 1 {
		t.Error("waits for nobody, or takes the signal")
	}
	x := &launch.Mounter{}
	m.running.Add(1)
	m.mark(x, true)
	if m.settle(signals) || len(signals) != 0 {
		t.Error("the signal does not count")
	}
	m.mark(x, false)
	m.running.Done()
	if !m.settle(signals) {
		t.Error("a program that has ended is waited for")
	}
}
