package plan

import "testing"

func TestWriteFile(t *testing.T) {
	for content, mode := range map[string]string{
		"": "0644", "text\\0\n": "0644", "a\x00b": "0644,escaped", "\\\x00\\0\x00\x00\\": "0644,escaped", "\xff\x00": "0644,escaped",
	} {
		op := WriteFile("/f", "0644", content)
		if octal, got := Content(op.Args[1], op.Args[2]); op.Args[1] != mode || octal != "0644" || got != content {
			t.Errorf("%q: %q: %s %q", content, op.Args, octal, got)
		}
		if _, err := Encode(&Plan{Ops: []Op{op}, Process: Process{Args: []string{"x"}, Umask: -1}}); err != nil {
			t.Error(err)
		}
	}
	// What nobody writes is taken literally.
	if _, got := Content("0644,escaped", `\a\`); got != `a\` {
		t.Errorf("%q", got)
	}
}
