package shares

import (
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
)

// TestServerOf has a process fail that was to be a server and has no socket: it must not go
// on as a task, which would start one like itself.
func TestServerOf(t *testing.T) {
	if s, err := ServerOf(&ui.Process{Environ: []string{"A=b"}}); s != nil || err != nil {
		t.Errorf("%v, %v", s, err)
	}
	for _, value := range []string{"key step", "key ", "malformed"} { // this process has no such socket
		s, err := ServerOf(&ui.Process{Environ: []string{serverVariable + "=" + value}})
		if s != nil || err == nil || !strings.Contains(err.Error(), "no socket came with it") || hint.Of(err) == "" {
			t.Errorf("%q: %v, %v", value, s, err)
		}
	}
}
