package bind

import (
	"slices"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestParseOverlays(t *testing.T) {
	got, err := ParseOverlays([]string{"/a", "b/:ro", `/c\:ro`, `d\,e\:f:ro`, "../g"}, "/cwd/x")
	want := []Overlay{{"/a", false}, {"/cwd/x/b", true}, {"/c:ro", false}, {"/cwd/x/d,e:f", true}, {"/cwd/g", false}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, value := range []string{"", ":ro", "/a:rw", "/a:ro:ro", "/a:"} {
		if got, err := ParseOverlays([]string{value}, "/"); err == nil || hint.Of(err) == "" {
			t.Errorf("%q: %v, %v", value, got, err)
		}
	}
}
