package tree

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func wh(name string) ent { return file(name, "") }

// TestMerge is the table of what stacks of layers become.
func TestMerge(t *testing.T) {
	type layer = []ent
	for _, c := range []struct {
		name  string
		stack []layer
		want  string
	}{
		{"no layer", nil, ""},
		{"empty layers", []layer{{}, {file("a", "1")}, {}}, "a=1"},
		{"names are cleaned", []layer{{file("./a//b/../c", "1"), file("/abs", "2")}}, "a/ a/c=1 abs=2"},
		{"missing parents", []layer{{file("a/b/c", "1")}}, "a/ a/b/ a/b/c=1"},
		{"child before parent", []layer{{file("a/b", "1"), dir("a")}}, "a/ a/b=1"},

		{"upper file wins", []layer{{file("a", "1")}, {file("a", "2")}}, "a=2"},
		{"last in a layer wins", []layer{{file("a", "1"), file("a", "2")}}, "a=2"},
		{"file then dir", []layer{{file("a", "1"), dir("a")}}, "a/"},
		{"dir then file", []layer{{file("a/b", "1"), file("a", "2")}}, "a=2"},
		{"dir then symlink", []layer{{file("a/b", "1"), link("a", "x")}}, "a>x"},
		{"hard link then file", []layer{{file("a", "1"), hard("b", "a"), file("b", "2")}}, "a=1 b=2"},
		{"file over dir", []layer{{file("etc/passwd", "1")}, {file("etc", "2")}}, "etc=2"},
		{"file over dir, then child", []layer{{file("etc/old", "1")}, {file("etc", "2"), file("etc/passwd", "3")}}, "etc/ etc/passwd=3"},
		{"dir over file", []layer{{file("etc", "1")}, {file("etc/passwd", "2")}}, "etc/ etc/passwd=2"},

		{"whiteout", []layer{{file("a", "1"), file("b", "2")}, {wh(".wh.a")}}, "b=2"},
		{"whiteout of nothing", []layer{{file("a", "1")}, {wh("x/.wh.b")}}, "a=1 x/"},
		{"whiteout spares its own layer", []layer{{file("a", "1")}, {file("a", "2"), wh(".wh.a")}}, "a=2"},
		{"whiteout of a dir remade", []layer{{file("d/old", "1")}, {file("d/new", "2"), wh(".wh.d")}}, "d/ d/new=2"},
		{"whiteout as dir", []layer{{file("a", "1")}, {dir(".wh.a")}}, ""},
		{"whiteout, then again", []layer{{file("a", "1")}, {wh(".wh.a")}, {file("a", "3")}}, "a=3"},
		{"whiteout through symlink", []layer{{file("d/a", "1"), link("l", "d")}, {wh("l/.wh.a")}}, "d/ l>d"},
		{"whiteouts in any order", []layer{{file("d/a", "1"), link("l", "d")}, {wh(".wh.l"), wh("l/.wh.a")}}, "d/ l/"},
		{"whiteout below a replaced symlink", []layer{{file("d/a", "1"), link("l", "d")}, {wh("l/.wh.a"), dir("l")}}, "d/ d/a=1 l/"},
		{"opaque first", []layer{{file("d/a", "1")}, {wh("d/.wh..wh..opq"), file("d/b", "2")}}, "d/ d/b=2"},
		{"opaque last", []layer{{file("d/a", "1"), file("d/b", "1")}, {file("d/b", "2"), wh("d/.wh..wh..opq")}}, "d/ d/b=2"},
		{"opaque root", []layer{{file("d/a", "1")}, {wh(".wh..wh..opq"), file("b", "2")}}, "b=2"},
		{"opaque on missing", []layer{{wh("d/.wh..wh..opq")}}, "d/"},
		{"AUFS files", []layer{{wh(".wh..wh.aufs"), dir(".wh..wh.plnk"), file(".wh..wh.plnk/1.2", "x")}}, ""},

		{"through symlink below", []layer{{dir("usr/lib"), link("lib", "usr/lib")}, {file("lib/x", "1")}}, "lib>usr/lib usr/ usr/lib/ usr/lib/x=1"},
		{"dir entry replaces symlink", []layer{{file("usr/lib/x", "1"), link("lib", "usr/lib")}, {dir("lib"), file("lib/x", "2")}},
			"lib/ lib/x=2 usr/ usr/lib/ usr/lib/x=1"},
		{"through symlink, both layers", []layer{{link("lib", "usr/lib")}, {file("lib/x", "1")}, {file("usr/lib/x", "2")}}, "lib>usr/lib usr/ usr/lib/ usr/lib/x=2"},
		{"symlink repeated", []layer{{link("lib", "usr/lib")}, {file("lib/x", "1")}, {link("lib", "usr/lib")}}, "lib>usr/lib usr/ usr/lib/ usr/lib/x=1"},
		{"absolute symlink", []layer{{link("d", "/victim"), file("d/f", "1")}}, "d>/victim victim/ victim/f=1"},
		{"symlink out", []layer{{link("x/d", "../../../victim"), file("x/d/f", "1")}}, "victim/ victim/f=1 x/ x/d>../../../victim"},
		{"chain of symlinks", []layer{{link("a", "b"), link("b", "/c"), link("c", "./d"), file("a/f", "1")}}, "a>b b>/c c>./d d/ d/f=1"},
		{"symlink to file as parent", []layer{{file("f", "1"), link("l", "f"), file("l/x", "2")}}, "f/ f/x=2 l>f"},
		{"symlink, then file", []layer{{link("d", "../victim")}, {file("d", "1")}}, "d=1"},

		{"hard link", []layer{{file("a", "1"), hard("b", "/a")}}, "a=1 b==a"},
		{"hard link to lower", []layer{{file("z", "1")}, {hard("b", "z")}}, "b=1 z==b"},
		{"target replaced above", []layer{{file("z", "1")}, {hard("b", "z")}, {file("z", "2")}}, "b=1 z=2"},
		{"target gone above", []layer{{file("z", "1")}, {hard("b", "z")}, {wh(".wh.z")}}, "b=1"},
		{"hard link to symlink", []layer{{link("a", "/etc/shadow"), hard("b", "a")}}, "a>/etc/shadow b==a"},
		{"hard link through symlink", []layer{{file("d/a", "1"), link("l", "d"), hard("l/b", "l/a")}}, "d/ d/a=1 d/b==d/a l>d"},
		{"case and form differ", []layer{{file("a", "1"), file("A", "2"), file("\u00e9", "3"), file("e\u0301", "4")}}, "A=2 a=1 e\u0301=4 \u00e9=3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := paths(mustMerge(t, c.stack...)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestMergeRejects(t *testing.T) {
	type layer = []ent
	for _, c := range []struct {
		name  string
		stack []layer
		want  string
	}{
		{"escape", []layer{{file("../x", "")}}, "out of the root"},
		{"absolute escape", []layer{{file("/../x", "")}}, "out of the root"},
		{"late escape", []layer{{file("a/../../x", "")}}, "out of the root"},
		{"root symlink", []layer{{link("./", "x")}, {file("etc/x", "")}}, "root is not a directory"},
		{"root file", []layer{{file(".", "x")}}, "root is not a directory"},
		{"root by dots", []layer{{file("a/..", "x")}}, "root is not a directory"},
		{"root device", []layer{{{name: ".", flag: tar.TypeChar}}}, "root is not a directory"},
		{"root hard link", []layer{{file("a", ""), hard(".", "a")}}, "root is not a directory"},
		{"symlink loop", []layer{{link("l", "l"), file("l/x", "")}}, `"l/x": too many levels`},
		{"symlink loop of two", []layer{{link("a", "b"), link("b", "a")}, {wh("a/.wh.x")}}, "too many levels"},
		{"link out", []layer{{hard("b", "../victim")}}, `"b": hard link to "../victim": path leads out`},
		{"link out, absolute", []layer{{hard("b", "/../victim")}}, "path leads out"},
		{"link to missing", []layer{{hard("b", "a")}}, `"b": hard link to "a": no such file`},
		{"link to later", []layer{{hard("b", "a"), file("a", "")}}, "no such file"},
		{"link to self", []layer{{file("a", "1")}, {hard("a", "a")}}, "links to itself"},
		{"link to dir", []layer{{dir("a"), hard("b", "a")}}, "is a directory"},
		{"link to root", []layer{{hard("b", "/")}}, "is a directory"},
		{"link in a circle", []layer{{hard("a", "b"), hard("b", "a")}}, "no such file"},
		{"link to whited-out", []layer{{file("a", "1")}, {wh(".wh.a"), hard("b", "a")}}, "no such file"},
		{"link replaces its target's dir", []layer{{file("d/a", "1"), hard("d", "d/a")}}, "no such file"},
		{"empty whiteout", []layer{{wh(".wh.")}}, "whiteout of no file"},
		{"whiteout of dot", []layer{{wh("d/.wh..")}}, "whiteout of no file"},
		{"whiteout of parent", []layer{{wh("d/.wh...")}}, "whiteout of no file"},
		{"inside a whiteout", []layer{{dir("d/.wh.x"), file("d/.wh.x/y", "")}}, "inside a whiteout"},
		{"256-byte name", []layer{{file(strings.Repeat("n", 256), "")}}, "longer than 255"},
		{"256-byte parent", []layer{{file(strings.Repeat("n", 256)+"/a", "")}}, "longer than 255"},
		{"256-byte link parent", []layer{{link("l", strings.Repeat("n", 256)), file("l/a", "")}}, "longer than 255"},
		{"too deep a parent", []layer{{file(strings.Repeat("d/", maxDepth+1)+"a", "")}}, "nest deeper than 1024"},
		{"too deep a directory", []layer{{dir(strings.Repeat("d/", maxDepth+1))}}, "nest deeper than 1024"},
		{"too deep through links", []layer{{link("l", strings.Repeat("d/", maxDepth-1)), dir("l/d/d")}}, "nest deeper than 1024"},
		{"far too deep", []layer{{file(strings.Repeat("d/", 100_000)+"a", "")}}, "nest deeper than 1024"},
		{"empty target", []layer{{link("l", "")}}, "has 0 bytes"},
		{"long target", []layer{{link("l", strings.Repeat("t", 4096))}}, "has 4096 bytes"},
		{"big owner", []layer{{{name: "a", uid: 1<<32 - 1}}}, "owner 4294967295"},
		{"huge owner", []layer{{{name: "a", uid: 99999999999999}}}, "owner 99999999999999"},
		{"large attribute", []layer{{{name: "a", pax: xattr("user.a", strings.Repeat("v", 64<<10))}}}, "extended attributes have"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := mergeOf(t, c.stack...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			if !strings.HasPrefix(err.Error(), "layer sha256:test: ") || len(err.Error()) > 1000 {
				t.Errorf("error %v does not name the layer", err)
			}
		})
	}
}

func xattr(name, value string) map[string]string {
	return map[string]string{"SCHILY.xattr." + name: value}
}

func TestMergeMetadata(t *testing.T) {
	own := func(e ent, uid int) ent { e.uid = uid; return e }
	for _, c := range []struct {
		name  string
		stack [][]ent
		want  string
	}{
		{"dir over dir", [][]ent{{own(dir("d").withMode(0o700), 1)}, {own(dir("d").withMode(0o1777), 2)}},
			"040755 0 .\n041777 2 d"},
		{"implicit parent keeps lower", [][]ent{{own(dir("d").withMode(0o700), 1)}, {file("d/a", "x")}},
			"040755 0 .\n040700 1 d\n100644 0 d/a = x"},
		{"implicit parent after whiteout", [][]ent{{own(dir("d").withMode(0o700), 1)}, {wh(".wh.d"), file("d/a", "x")}},
			"040755 0 .\n040755 0 d\n100644 0 d/a = x"},
		{"opaque keeps lower", [][]ent{{own(dir("d").withMode(0o700), 1)}, {wh("d/.wh..wh..opq")}},
			"040755 0 .\n040700 1 d"},
		{"root entry", [][]ent{{own(dir("./").withMode(0o700), 7)}}, "040700 7 ."},
		{"special bits", [][]ent{{file("s", "x").withMode(0o6755), file("z", "").withMode(0)}},
			"040755 0 .\n106755 0 s = x\n100000 0 z"},
		{"hard link header", [][]ent{{file("a", "x"), own(hard("b", "a").withMode(0o600), 3)}},
			"040755 0 .\n100600 3 a = x\n100600 3 b == a"},
		{"hard link to symlink", [][]ent{{link("a", "t"), own(hard("b", "a").withMode(0o600), 3)}},
			"040755 0 .\n120777 3 a -> t\n120777 3 b == a"},
		{"fifo", [][]ent{{{name: "p", flag: tar.TypeFifo, mode: 0o600}}}, "040755 0 .\n010600 0 p"},
	} {
		if got := list(mustMerge(t, c.stack...)); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

// TestEachLayerIsReadOnce counts openings and stored files: what a higher
// layer hides is not stored, and only a lost link target costs a second look.
func TestEachLayerIsReadOnce(t *testing.T) {
	for _, c := range []struct {
		name   string
		stack  [][]ent
		stored string // in the order of storing, top layer first
		reads  []int
	}{
		{"hidden by file, whiteout, opaque and link", [][]ent{
			{file("a", "1"), file("b", "2"), file("d/c", "3"), file("e/x/y", "4"), file("k", "5")},
			{file("a", "6"), wh(".wh.b"), wh("d/.wh..wh..opq"), link("e", "k"), dir("f")},
		}, "6 5", []int{1, 1}},
		{"link target lost", [][]ent{{file("z", "1"), file("y", "2")}, {hard("b", "z")}, {wh(".wh.z")}}, "2 1", []int{2, 1, 1}},
		{"guess wrong through symlink", [][]ent{{link("lib", "usr")}, {file("lib/x", "1")}, {link("lib", "usr")}}, "1", []int{1, 2, 1}},
	} {
		layers, s := layersOf(t, c.stack...), new(storing)
		_, report, err := Merge(context.Background(), layers, s.store)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := strings.Join(s.bodies, " "); got != c.stored {
			t.Errorf("%s: stored %s, want %s", c.name, got, c.stored)
		}
		again := 0
		for i, l := range layers {
			l := l.(*memLayer)
			if l.opens != c.reads[i] || l.ends < l.opens {
				t.Errorf("%s: layer %d opened %d times and read to its end %d times, want %d", c.name, i, l.opens, l.ends, c.reads[i])
			}
			again += c.reads[i] - 1
		}
		if report.Rereads != again {
			t.Errorf("%s: %d rereads reported, want %d", c.name, report.Rereads, again)
		}
	}
}

func TestSameLayerTwice(t *testing.T) {
	l := &memLayer{data: tarOf(t, []ent{file("a", "1"), hard("b", "a")})}
	n, _, err := Merge(context.Background(), []Layer{l, l}, new(storing).store)
	if err != nil {
		t.Fatal(err)
	}
	if got := paths(n); got != "a=1 b==a" {
		t.Errorf("got %s", got)
	}
}

func TestManyLayers(t *testing.T) {
	var stack [][]ent
	for range 150 {
		stack = append(stack, []ent{wh(".wh.a"), file("a", "x"), file("d/e", "y")})
	}
	if got := paths(mustMerge(t, stack...)); got != "a=x d/ d/e=y" {
		t.Errorf("got %s", got)
	}
}

func TestMergeStops(t *testing.T) {
	layers := layersOf(t, []ent{file("a", "1"), file("b", "2")})
	ctx, cancel := context.WithCancel(context.Background())
	_, _, err := Merge(ctx, layers, func(io.Reader, int64) (Content, error) { cancel(); return Bytes("1"), nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after the context ended", err)
	}
	full := errors.New("disk full")
	_, _, err = Merge(context.Background(), layers, func(io.Reader, int64) (Content, error) { return nil, full })
	if !errors.Is(err, full) || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("error %v of a full store", err)
	}
}
