package root

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

// TestSite reads the site's variables, and refuses files that others could have written.
func TestSite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "environment")
	owner := uint32(os.Getuid())
	if list, err := site(path, owner); err != nil || list != nil {
		t.Errorf("%v, %v", list, err)
	}
	for _, c := range []struct {
		text  string
		mode  os.FileMode
		owner uint32
		want  []string
		err   string
	}{
		{"# ours\n\n SEALIFT_SHARE = off\nSEALIFT_BIND=/a,/b=c\n", 0o644, owner, nil, `environment:3: "SEALIFT_SHARE = off" is not SEALIFT_NAME=VALUE`},
		{"# ours\n\n SEALIFT_SHARE=off \nSEALIFT_BIND=/a,/b=c", 0o644, owner, []string{"SEALIFT_SHARE=off", "SEALIFT_BIND=/a,/b=c"}, ""},
		{"PATH=/x\n", 0o644, owner, nil, `environment:1: "PATH=/x" is not SEALIFT_NAME=VALUE`},
		{"SEALIFT_SHARE=off\n", 0o664, owner, nil, "is not a file that root alone can write to"},
		{"SEALIFT_SHARE=off\n", 0o644, owner + 1, nil, "is not a file that root alone can write to"},
		{"#" + strings.Repeat("x", maxSite) + "\nSEALIFT_SHARE=off\n", 0o644, owner, nil, "has more than 65536 bytes"},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		list, err := site(path, c.owner)
		if !slices.Equal(list, c.want) || (err == nil) != (c.err == "") || err != nil && (!strings.Contains(err.Error(), c.err) || hint.Of(err) == "") {
			t.Errorf("%.40q: %q, %v", c.text, list, err)
		}
	}
}
