package host

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

func TestReadFile(t *testing.T) {
	f := Facts{Root: fstest.MapFS{"etc/a": {Data: []byte("12345")}}}
	for _, c := range []struct {
		name  string
		limit int64
		want  string
		err   string
	}{
		{"/etc/a", 5, "12345", ""},
		{"/etc/a", 4, "", "/etc/a: it has more than 4 bytes"},
		{"/etc", 5, "", "/etc: not a regular file"},
		{"/etc/b", 5, "", "/etc/b: file does not exist"},
	} {
		got, err := f.ReadFile(c.name, c.limit)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
	if _, err := f.ReadFile("/x", 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not say that the file is missing", err)
	}
}
