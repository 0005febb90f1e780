package compare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/sbom"
	"github.com/sealift/sealift/image/tree"
)

// text is the content of a file.
type text string

func (s text) Size() int64                  { return int64(len(s)) }
func (s text) Open() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(s))), nil }

// broken cannot be read to its end.
type broken struct{ text }

var errBroken = errors.New("broken")

func (b broken) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(bytes.NewReader([]byte(b.text[:1])), failing{})), nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBroken }

func file(c tree.Content) *tree.Node {
	return &tree.Node{Mode: tree.TypeRegular | 0o644, Content: c}
}

func dir(entries map[string]*tree.Node) *tree.Node {
	d := tree.NewDir(0o755)
	d.Entries = entries
	return d
}

// with returns a changed copy.
func with(n *tree.Node, change func(*tree.Node)) *tree.Node {
	c := *n
	change(&c)
	return &c
}

// long is longer than what is read at a time.
var long = strings.Repeat("x", bufferSize+10)

// TestFiles has a pair of nodes for each difference.
func TestFiles(t *testing.T) {
	link := &tree.Node{Mode: tree.TypeSymlink | 0o777, Target: "a"}
	device := &tree.Node{Mode: tree.TypeBlock | 0o600, Rdev: 5}
	for name, c := range map[string]struct {
		older, newer *tree.Node
		times        bool
		want         string
	}{
		"same":            {file(text(long)), file(text(long)), true, ""},
		"empty":           {file(nil), file(text("")), true, ""},
		"longer":          {file(text("a")), file(text("ab")), false, "contents"},
		"end of a long":   {file(text(long + "a")), file(text(long + "b")), false, "contents"},
		"emptied":         {file(text("a")), file(nil), false, "contents"},
		"type":            {file(text("a")), link, false, "type"},
		"target":          {link, with(link, func(n *tree.Node) { n.Target = "b" }), false, "target"},
		"device":          {device, with(device, func(n *tree.Node) { n.Rdev = 6 }), false, "device"},
		"mode":            {file(text("a")), with(file(text("a")), func(n *tree.Node) { n.Mode |= 0o4000 }), false, "mode"},
		"owner and mode":  {device, with(device, func(n *tree.Node) { n.GID, n.Mode = 4, tree.TypeBlock }), false, "mode owner"},
		"attributes":      {link, with(link, func(n *tree.Node) { n.Xattrs = []tree.Xattr{{Name: "user.a"}} }), false, "attributes"},
		"times":           {link, with(link, func(n *tree.Node) { n.ModTime = 5 }), true, "time"},
		"times unasked":   {link, with(link, func(n *tree.Node) { n.ModTime = 5 }), false, ""},
		"directory to be": {file(nil), dir(map[string]*tree.Node{"in": link}), false, "type; added /f/in"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := Files(context.Background(), dir(map[string]*tree.Node{"f": c.older}), dir(map[string]*tree.Node{"f": c.newer}), Options{Times: c.times})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range found {
				text := strings.Join(f.What, " ")
				if f.Path != "/f" {
					text += " " + f.Path
				}
				got = append(got, text)
			}
			if text := strings.Join(got, "; "); text != c.want {
				t.Errorf("%q, want %q", text, c.want)
			}
		})
	}
}

// TestNames has names that only one of both has, and directories with all below them.
func TestNames(t *testing.T) {
	older := dir(map[string]*tree.Node{"a": file(nil), "gone": dir(map[string]*tree.Node{"x": file(nil)}), "z": file(nil)})
	newer := dir(map[string]*tree.Node{"a": file(nil), "come": dir(map[string]*tree.Node{"y": file(nil)}), "z": file(text("1"))})
	found, err := Files(context.Background(), older, newer, Options{})
	var got []string
	for _, f := range found {
		got = append(got, fmt.Sprintf("%s %s %v %v", f.What[0], f.Path, f.Old != nil, f.New != nil))
	}
	if want := []string{"added /come false true", "added /come/y false true", "removed /gone true false", "removed /gone/x true false", "contents /z true true"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFilesFails(t *testing.T) {
	at := func(c tree.Content) *tree.Node { return dir(map[string]*tree.Node{"f": file(c)}) }
	if _, err := Files(context.Background(), at(text("aa")), at(broken{"aa"}), Options{}); !errors.Is(err, errBroken) || !strings.Contains(err.Error(), `"/f"`) {
		t.Error(err)
	}
	if _, err := Files(context.Background(), at(text("a")), at(opaque(1)), Options{}); err == nil {
		t.Error("what cannot be read was compared")
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Files(ended, at(text("a")), at(text("a")), Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

type opaque int64

func (o opaque) Size() int64 { return int64(o) }

func TestMetadata(t *testing.T) {
	var a, b metadata.Attributes
	a.Labels, b.Labels = map[string]string{"x": "1", "same": "s"}, map[string]string{"y": "2", "same": "s"}
	a.Runscript, a.Test, b.Test = "run", "t", "u"
	b.Environment = map[string]string{"/e": "v"}
	got := fmt.Sprint(Metadata(a, b))
	if want := "[{runscript run } {test t u} {environment /e  v} {label x 1 } {label y  2}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := Metadata(a, a); len(got) > 0 {
		t.Error(got)
	}
}

func TestPackages(t *testing.T) {
	deb := func(name, version string) sbom.Package {
		return sbom.Package{Manager: "deb", Name: name, Version: version, Arch: "amd64"}
	}
	older := []sbom.Package{deb("a", "1"), deb("b", "1"), deb("c", "1")}
	newer := []sbom.Package{deb("d", "3"), deb("c", "1"), deb("b", "2"), deb("d", "1")}
	got := fmt.Sprint(Packages(older, newer))
	if want := "[{deb a amd64 1 } {deb b amd64 1 2} {deb d amd64  3}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
