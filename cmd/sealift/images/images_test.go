package images

import (
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
)

func TestOpenImage(t *testing.T) {
	for path, want := range map[string]string{
		"/no/such/image": "spelling", "oci:/no/layout:tag": "sealift build image.sif oci:/no/layout:tag",
		"docker://alpine": "only files and directories", "no:such": "spelling",
		"/dev/null/x": "check the path",
	} {
		if _, err := Open(path, image.Options{}); err == nil || !strings.Contains(hint.Of(err), want) {
			t.Errorf("%s: %v, hint %q", path, err, hint.Of(err))
		}
	}
}
