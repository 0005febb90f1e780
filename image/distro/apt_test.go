package distro

import (
	"slices"
	"testing"
)

func TestParseList(t *testing.T) {
	for text, want := range map[string][]aptSource{
		"":                                      nil,
		"# deb http://a b main\n":               nil,
		"deb-src http://a b main\n":             nil,
		"debhttp://a b main\n":                  nil,
		"deb http://a b\n":                      nil,
		"deb http://a b contrib\n":              nil,
		"deb http://a b/\n":                     nil,
		"  deb\thttp://a  b contrib main # x\n": {{"http://a", "b", ""}},
		"deb [arch=amd64] http://a b main":      {{"http://a", "b", ""}},
		"deb [ signed-by=/k arch=x ] ftp://a b main\ndeb http://c d main\n": {{"ftp://a", "b", "/k"}, {"http://c", "d", ""}},
		"deb [signed-by=ABCDEF http://a b main\n":                           nil,
	} {
		if got := parseList(text); !slices.Equal(got, want) {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestParseDeb822(t *testing.T) {
	const one = "Types: deb deb-src\nURIs: http://a http://b\nSuites: s s-updates\nComponents: main\n"
	all := []aptSource{{"http://a", "s", ""}, {"http://a", "s-updates", ""}, {"http://b", "s", ""}, {"http://b", "s-updates", ""}}
	for text, want := range map[string][]aptSource{
		"":                                    nil,
		"no field\n":                          nil,
		" continued from nothing\n":           nil,
		one:                                   all,
		"# x\n" + one + "# y\nEnabled: yes\n": all,
		one + "Enabled: No\n":                 nil,
		"\n\n" + one + "\n\n":                 all,
		"types: deb\nuris:\n http://a\n# c\n http://b\nSUITES: s\n s-updates\nComponents: x\n\tmain": all,
		"Types: deb-src\nURIs: http://a\nSuites: s\nComponents: main\n":                              nil,
		"Types: deb\nURIs: http://a\nSuites: ./\n":                                                   nil,
		"Types: deb\nURIs: http://a\nSuites: s\nComponents: main\nSigned-By: /k.gpg\n":               {{"http://a", "s", "/k.gpg"}},
		"Types: deb\nURIs: http://a\nSuites: s\nComponents: main\nSigned-By:\n -----BEGIN\n .\n x\n": {{"http://a", "s", ""}},
	} {
		if got := parseDeb822(text); !slices.Equal(got, want) {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestParseRelease(t *testing.T) {
	got := parseRelease("# x=y\nID=opensuse-leap\nID_LIKE=\"suse opensuse\"\nVERSION_ID='15.6'\nempty\n")
	if len(got) != 3 || got["ID"] != "opensuse-leap" || got["ID_LIKE"] != "suse opensuse" || got["VERSION_ID"] != "15.6" {
		t.Errorf("%v", got)
	}
}
