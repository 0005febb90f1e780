package tree

import "testing"

func TestFileMode(t *testing.T) {
	for mode, want := range map[uint32]string{
		0o040755: "drwxr-xr-x", 0o100644: "-rw-r--r--", 0o120777: "Lrwxrwxrwx", 0o060600: "Drw-------",
		0o020600: "Dcrw-------", 0o010600: "prw-------", 0o140600: "Srw-------", 0o107777: "ugtrwxrwxrwx",
	} {
		if got := FileMode(mode).String(); got != want {
			t.Errorf("%o: %s, want %s", mode, got, want)
		}
	}
}
