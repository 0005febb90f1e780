package proc

import (
	"os"
	"testing"
	"time"
)

func TestProcess(t *testing.T) {
	for begun := time.Now(); ; { // on a busy machine it takes a while to have used something
		used, err := ProcessorTime(os.Getpid())
		if err != nil || time.Since(begun) > time.Minute {
			t.Fatal(used, err)
		}
		if used >= 10*time.Millisecond {
			break
		}
	}
	if pss, peak, err := Memory(os.Getpid()); err != nil || pss < 1<<20 || peak < pss/2 {
		t.Error(pss, peak, err)
	}
	if _, err := Field("/proc/self/status", "None:"); err == nil {
		t.Error("no error")
	}
}
