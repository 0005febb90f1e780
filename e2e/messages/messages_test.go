package messages

import (
	"os"
	"path/filepath"
	"testing"
)

const source = `package p

import ("errors"; "fmt"; "x/hint")

const remedy = "do " + what
const what = "this"
const loop = loop

func f(n int, s string, err error) error {
	hint.New("all is known", "really 100%% of it")
	hint.New(fmt.Sprintf("file %q has %d|%s", s, n, s), "make it %d long", n)
	hint.Wrap(fmt.Errorf("open %s: %w", s, err), remedy)
	hint.Wrap(errors.New("wrong " + s), loop + " of words")
	hint.Wrap(err, "nobody knows of what")
	other.New("not", "ours")
	return nil
}
`

// TestFind finds each form of a message, and none of which the source does not tell.
func TestFind(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "image/cache/deep")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"p.go": source, "p_test.go": `package p; func g() { hint.New("of a test", "leave it") }`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	found, err := Find(root, "image")
	if err != nil {
		t.Fatal(err)
	}
	want := `intro
## Cache

| Message | What to do |
|---|---|
| all is known | really 100% of it |
| file … has …\|… | make it … long |
| open …: … | do this |
| wrong … | … of words |
`
	if got := Page("intro", found); got != want {
		t.Errorf("%s", got)
	}
}

func TestFindFails(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "x.go"), []byte("nonsense"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(root, "."); err == nil {
		t.Error("what is no source was read")
	}
	if _, err := Find(root, "none"); err == nil {
		t.Error("what is not there was read")
	}
}
