package definition

import (
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestSelect(t *testing.T) {
	const text = "Bootstrap: scratch\nStage: a\n%post\n a\n%files\n b\nBootstrap: scratch\n%files from a\n c\n%post\n d\n%apprun x\n e\n%labels\n F g\n"
	for names, want := range map[string]string{
		"":               "post files|files post apprun labels",
		"all":            "post files|files post apprun labels",
		"none":           "|",
		"post":           "post|post",
		"labels files":   "files|files labels",
		"apps":           "|apprun",
		"appenv":         "|",
		"help arguments": "|",
	} {
		r, err := Parse("x.def", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.Select(strings.Fields(names))
		if err != nil {
			t.Fatal(err)
		}
		var stages []string
		for i := range s.Stages {
			var list []string
			for _, x := range s.Stages[i].Sections {
				list = append(list, x.Name)
			}
			stages = append(stages, strings.Join(list, " "))
		}
		if got := strings.Join(stages, "|"); got != want || s.Text != text || len(r.Stages[1].Sections) != 4 {
			t.Errorf("%q: %q, text %q", names, got, s.Text)
		}
	}
	for _, name := range []string{"psot", "", "%post", "POST", "all", "none"} {
		r := &Recipe{}
		if _, err := r.Select([]string{"post", name}); err == nil || hint.Of(err) == "" {
			t.Errorf("%q: %v, hint %q", name, err, hint.Of(err))
		}
	}
}
