package bind

import (
	"reflect"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestParseFuse(t *testing.T) {
	got, err := ParseFuse([]string{
		"container:sshfs host:/a,b /mnt", "  host-daemon:/opt/fs -o ro,x=1:2  /x/y ", "host:a /b", "container-daemon:a b c /d",
	})
	want := []Fuse{
		{true, false, []string{"sshfs", "host:/a,b"}, "/mnt"}, {false, true, []string{"/opt/fs", "-o", "ro,x=1:2"}, "/x/y"},
		{false, false, []string{"a"}, "/b"}, {true, true, []string{"a", "b", "c"}, "/d"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for value, part := range map[string]string{
		"": "no type", "sshfs /mnt": "no type", "daemon:a /b": "no type", "-daemon:a /b": "no type", "host:a": "no mount point", "host:": "no mount point",
		"host: a /b": "no program", "host:a b": "not an absolute path", "host:a /": "root directory",
	} {
		if _, err := ParseFuse([]string{value}); err == nil || !strings.Contains(err.Error(), part) || hint.Of(err) == "" {
			t.Errorf("%q: %v", value, err)
		}
	}
}
