// The race detector makes sync.Pool forget at random.

//go:build !race

package imagefs

import "testing"

func TestNoAllocations(t *testing.T) {
	s := newServer(t, images(t).plain, Options{})
	text, err := s.lookupPath("files/text")
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, maxReply)
	for name, msg := range map[string][]byte{
		"GETATTR":     message(opGetattr, text.id),
		"READ":        message(opRead, text.id, readBody(0, 128<<10)...),
		"READDIRPLUS": message(opReaddirplus, 1, readBody(0, 4096)...),
	} {
		s.handle(msg, out, true)
		if n := testing.AllocsPerRun(20, func() { s.handle(msg, out, true) }); n > 2 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
