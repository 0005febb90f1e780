package conffile

import (
	"slices"
	"strings"
	"testing"
)

func TestDecode(t *testing.T) {
	type document struct {
		Name string
		Item []struct{ Size int }
	}
	var d document
	text := []byte("name = \"a\"\n\n[[item]]\nsize = 1\n[[item]]\nsize = 2\n[[other.item]]\n")
	if err := Decode("x.toml", text[:strings.Index(string(text), "[[other")], &d); err != nil || d.Name != "a" || len(d.Item) != 2 {
		t.Errorf("%+v, %v", d, err)
	}
	if lines := Tables(text, "item"); !slices.Equal(lines, []int{3, 5}) {
		t.Errorf("lines %v", lines)
	}
	for text, want := range map[string]string{
		"name = 1":                      "x.toml:1:8: ",
		"\n [[item]]\nsiz = 1":          "x.toml:3:1: item.siz is not a setting",
		"name = \"a\"\nname = \"b\"":    "x.toml:2:",
		"name":                          "x.toml:1:",
		"[[item]]\nsize = 123456789012": "",
	} {
		err := Decode("x.toml", []byte(text), &d)
		if want == "" && err == nil {
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
