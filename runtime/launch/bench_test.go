package launch

import (
	"testing"
)

// BenchmarkRun measures a start and end of /bin/true in a directory. The time
// is that of one container, with the busybox's own.
func BenchmarkRun(b *testing.B) {
	p := container(b, []string{"true"})
	j := Job{Starter: starterPath()}
	for b.Loop() {
		if st, err := Run(b.Context(), p, j); err != nil || st.Code != 0 {
			b.Fatal(st, err)
		}
	}
}
