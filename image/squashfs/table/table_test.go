package table

import (
	"math"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/squashfs/format"
)

func TestStorableXattr(t *testing.T) {
	for name, want := range map[string]bool{
		"user.a": true, "trusted.a": true, "security.capability": true, "user.a.b": true,
		"user." + strings.Repeat("x", 250): true, "user." + strings.Repeat("x", 251): false,
		"system.posix_acl_access": false, "user": false, "user.": false, "": false, "users.a": false, ".a": false,
	} {
		if got := StorableXattr(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestIDLimit(t *testing.T) {
	var table idTable
	for i := range format.MaxIDs {
		if got, err := table.add(uint32(i) << 8); err != nil || int(got) != i {
			t.Fatalf("id %d gets index %d, error %v", i, got, err)
		}
	}
	if got, err := table.add(7 << 8); err != nil || got != 7 {
		t.Errorf("a known id gets index %d, error %v", got, err)
	}
	if _, err := table.add(1); err == nil || !strings.Contains(err.Error(), "65535") || hint.Of(err) == "" {
		t.Errorf("one more: error %v", err)
	}
}

func TestTimesAreClamped(t *testing.T) {
	for given, want := range map[int64]uint32{
		-1: 0, math.MinInt64: 0, 0: 0, 5: 5, math.MaxUint32: math.MaxUint32,
		math.MaxUint32 + 1: math.MaxUint32, math.MaxInt64: math.MaxUint32,
	} {
		if got := ClampTime(given); got != want {
			t.Errorf("%d becomes %d", given, got)
		}
	}
}
