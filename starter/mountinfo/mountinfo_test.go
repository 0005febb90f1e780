package mountinfo

import (
	"fmt"
	"testing"
)

const table = "20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n" +
	"30 20 0:5 / /a\\040b ro,nosuid - tmpfs tmpfs rw\n" +
	"31 30 0:6 /x /a\\040b/c rw shared:2 - tmpfs tmpfs rw\n" +
	"40 20 0:7 / /other rw - proc proc rw\n" +
	"x 20 0:7 / /bad rw - proc proc rw\nshort line\n"

func TestBelow(t *testing.T) {
	for id, want := range map[int]string{
		30: "[{30 20 / /a b ro,nosuid tmpfs rw} {31 30 /x /a b/c rw tmpfs rw}]", 31: "[{31 30 /x /a b/c rw tmpfs rw}]", 7: "[]",
	} {
		if got := fmt.Sprint(Below(Parse([]byte(table)), id)); got != want {
			t.Errorf("%d: %s, want %s", id, got, want)
		}
	}
	if n := len(Below(Parse([]byte(table)), 20)); n != 4 {
		t.Errorf("%d mounts below the root", n)
	}
}

// TestOrder: a table may list a mount before the one that it is on.
func TestOrder(t *testing.T) {
	mounts := []Mount{{ID: 3, Parent: 2}, {ID: 2, Parent: 1}, {ID: 1, Parent: 0}}
	if got := Below(mounts, 2); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{"a\\011b": "a\tb", "a\\": "a\\", "\\999": "\\999", "\\134": "\\", "": ""} {
		if got := unescape(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
