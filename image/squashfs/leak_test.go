package squashfs

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails where goroutines are left when all tests are over.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
