package metadata

import (
	"maps"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/image/tree"
)

func TestOriginLabels(t *testing.T) {
	o := Origin{Time: time.Date(2024, 2, 3, 4, 5, 6, 0, time.FixedZone("X", 3600)), Arch: "arm64", Version: "9"}
	want := map[string]string{
		"org.label-schema.schema-version":        "1.0",
		"org.label-schema.build-date":            "Saturday_3_February_2024_03:05:06_UTC",
		"org.label-schema.build-arch":            "arm64",
		"org.label-schema.usage.sealift.version": "9",
		"org.opencontainers.image.created":       "2024-02-03T03:05:06Z",
		"org.opencontainers.image.architecture":  "arm64",
	}
	if got := o.Labels(); !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
	o.HasHelp, o.Base, o.Digest, o.Headers = true, "oci:x", "sha256:1", map[string]string{"from": "http://u:p@h/x"}
	maps.Copy(want, map[string]string{
		"org.label-schema.usage":                          "/.singularity.d/runscript.help",
		"org.label-schema.usage.apptainer.runscript.help": "/.singularity.d/runscript.help",
		"org.label-schema.usage.singularity.deffile.from": "http://h/x",
		"org.opencontainers.image.base.name":              "oci:x",
		"org.opencontainers.image.base.digest":            "sha256:1",
	})
	if got := o.Labels(); !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"A": true, "_": true, "a1_B": true, "z": true, "Z": true,
		"": false, "1a": false, "a-b": false, "a b": false, "a.b": false, "é": false, "a\n": false, "@": false, "[": false, "{": false, "`": false,
	} {
		if isName(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

func TestQuote(t *testing.T) {
	for _, word := range []string{"", "a", "it's", "''", "$x `y` \"z\" \\", "a\nb", "-n", "*", "~", "é\xff"} {
		if got := shell(t, "printf %s "+quote(word)); got != word {
			t.Errorf("%q becomes %q", word, got)
		}
	}
}

func TestHistoryNumbersSkipTaken(t *testing.T) {
	files := Files{Definition: "third", "bootstrap_history/Apptainer1": "second"}
	for range 2 {
		var err error
		if files, err = files.Apply(Spec{Definition: "next"}); err != nil {
			t.Fatal(err)
		}
	}
	if files["bootstrap_history/Apptainer1"] != "second" || files["bootstrap_history/Apptainer2"] != "third" || files["bootstrap_history/Apptainer3"] != "next" {
		t.Errorf("%q", files)
	}
	first, err := Files{}.Apply(Spec{Definition: "only"})
	if err != nil || len(first) != 3 {
		t.Errorf("%q, %v", first, err)
	}
}

func TestApplyRefusesBadLabels(t *testing.T) {
	for _, text := range []string{"{", "[]", "7", `{"a":}`} {
		if _, err := (Files{LabelsFile: text}).Apply(Spec{}); err == nil || !strings.Contains(err.Error(), "labels.json") {
			t.Errorf("%s: error %v", text, err)
		}
		if _, err := (Files{LabelsFile: text}).WithConfig(&Config{}); err == nil {
			t.Errorf("%s: accepted", text)
		}
	}
	labels, err := Files{LabelsFile: ""}.Labels()
	if err != nil || len(labels) != 0 {
		t.Errorf("empty file: %v, %v", labels, err)
	}
}

func TestPutReplacesWhatIsInTheWay(t *testing.T) {
	victim := tree.NewDir(0o755)
	root := tree.NewDir(0o755)
	root.Entries["victim"] = victim
	meta := tree.NewDir(0o755)
	root.Entries[Dir] = meta
	meta.Entries["env"] = &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: "/victim"}
	meta.Entries[Runscript] = &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: "/victim/run"}
	meta.Entries[Test] = tree.NewDir(0o700)
	Files{Runscript: "run", Test: "test", recipeEnvironment: "env", Help: "help"}.Put(root, 3)
	if len(victim.Entries) != 0 {
		t.Errorf("written through a link: %v", victim.Names())
	}
	for name, perm := range map[string]uint32{Runscript: 0o755, Test: 0o755, recipeEnvironment: 0o755, Help: 0o644} {
		n, err := root.Lookup(path.Join(Dir, name))
		if err != nil || n.Mode != tree.TypeRegular|perm || n.ModTime != 3 {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}

func TestFromTreeIgnoresWhatIsNoFile(t *testing.T) {
	root := tree.NewDir(0o755)
	meta := tree.NewDir(0o755)
	root.Entries[Dir] = meta
	meta.Entries[Runscript] = &tree.Node{Mode: tree.TypeFIFO}
	meta.Entries[Help] = &tree.Node{Mode: tree.TypeSymlink, Target: "/etc/passwd"}
	meta.Entries[Test] = &tree.Node{Mode: tree.TypeChar, Rdev: 1}
	meta.Entries[envDir] = &tree.Node{Mode: tree.TypeRegular}
	files, err := FromTree(root)
	if err != nil || len(files) != 0 {
		t.Errorf("%q, %v", files, err)
	}
	root.Entries[Dir] = &tree.Node{Mode: tree.TypeSymlink, Target: Dir}
	if files, err = FromTree(root); err != nil || len(files) != 0 {
		t.Errorf("a link to itself: %q, %v", files, err)
	}
}

func TestWithoutUser(t *testing.T) {
	for in, want := range map[string]string{
		"https://u:p@host/x@y": "https://host/x@y",
		"user@host":            "user@host",
		"/a/b@c":               "/a/b@c",
		"http://tok@h":         "http://h",
	} {
		if got := WithoutUser(in); got != want {
			t.Errorf("%q becomes %q", in, got)
		}
	}
}
