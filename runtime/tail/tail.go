// Package tail keeps the last of what a program says, for who wants to know why it has
// ended.
//
// Input: what it writes. Output: lines. It keeps no more than Size bytes.
package tail

import (
	"strings"
	"sync"
)

// Size bounds a tail, in bytes.
const Size = 4096

// Tail is an io.Writer that keeps the last bytes. Any goroutine may use it.
type Tail struct {
	mu   sync.Mutex
	text []byte
}

// Write never fails.
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if extra := len(t.text) - Size; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(b), nil
}

// Lines returns the last lines, n at most, without blanks around them and empty ones.
func (t *Tail) Lines(n int) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for line := range strings.Lines(string(t.text)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines[max(len(lines)-n, 0):]
}
