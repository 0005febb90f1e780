package tree

import (
	"strings"
	"testing"
)

// TestWaysOutOfOthersT2 is the table of what other unpackers are held against: those of
// containerd, containers/storage and umoci. What leads out there is inside the root here,
// or refused: a want that begins with "!" is part of the error.
func TestWaysOutOfOthersT2(t *testing.T) {
	type layer = []ent
	etc := func(more ...ent) layer { return append(layer{dir("etc"), file("etc/p", "in")}, more...) }
	far := strings.Repeat("../", 15)
	for name, c := range map[string]struct {
		stack []layer
		want  string
	}{
		"file by an absolute link":             {[]layer{{dir("etc"), link("l", "/etc"), file("/l/f", "in")}}, "etc/ etc/f=in l>/etc"},
		"file by a link that goes up":          {[]layer{{dir("etc"), dir("d"), link("l", "/d/../etc"), file("/l/f", "in")}}, "d/ etc/ etc/f=in l>/d/../etc"},
		"file by one of two absolute links":    {[]layer{{dir("etc"), dir("d"), link("/d/etc", "/etc"), link("l", "/d/etc"), file("/d/etc/f", "in")}}, "d/ d/etc>/etc etc/ etc/f=in l>/d/etc"},
		"file by two links":                    {[]layer{{dir("etc"), dir("d"), link("/d/etc", "/etc"), link("l", "./d/etc"), file("/l/f", "in")}}, "d/ d/etc>/etc etc/ etc/f=in l>./d/etc"},
		"file made empty by a link":            {[]layer{etc(link("l", "/etc"), file("/l/p", ""))}, "etc/ etc/p l>/etc"},
		"hard link by a link up":               {[]layer{etc(dir("b"), link("b/d", "../../etc"), hard("b/p", "/b/d/p"))}, "b/ b/d>../../etc b/p=in etc/ etc/p==b/p"},
		"hard link by a link down and up":      {[]layer{etc(dir("b"), dir("down"), link("b/d", "../down/../../etc"), hard("b/p", "/b/d/p"))}, "b/ b/d>../down/../../etc b/p=in down/ etc/ etc/p==b/p"},
		"hard link by an absolute link":        {[]layer{etc(link("l", "/etc"), hard("p", "/l/p"))}, "etc/ etc/p=in l>/etc p==etc/p"},
		"hard link by a link far up":           {[]layer{etc(link("l", far+"etc"), hard("p", "/l/p"))}, "etc/ etc/p=in l>" + far + "etc p==etc/p"},
		"hard link by a link through nothing":  {[]layer{etc(link("l", "none/../../../etc"), hard("p", "/l/p"))}, "etc/ etc/p=in l>none/../../../etc p==etc/p"},
		"hard link far up":                     {[]layer{etc(hard("p", far+"etc/p"))}, "!out of the root"},
		"absolute hard link":                   {[]layer{etc(hard("p", "/etc/p"))}, "etc/ etc/p=in p==etc/p"},
		"link in the place of the parent":      {[]layer{etc(link("..", "/etc/"))}, "!out of the root"},
		"link without a name":                  {[]layer{etc(link("", "/etc/"))}, "!root is not a directory"},
		"link in the place of its parent":      {[]layer{etc(link("l/sub/..", "/etc/"), hard("/l/q", "/etc/p"))}, "etc/ etc/p=in etc/q==etc/p l>/etc/"},
		"hard link in a directory":             {[]layer{etc(dir("l/"), hard("/l/q", "/etc/p"))}, "etc/ etc/p=in l/ l/q==etc/p"},
		"absolute link over a directory":       {[]layer{etc(dir("l")), {link("l", "/etc"), hard("/l/q", "/etc/p")}}, "etc/ etc/p=in etc/q==etc/p l>/etc"},
		"link up over a directory":             {[]layer{etc(dir("l")), {link("l", "../../etc"), hard("/l/q", "/etc/p")}}, "etc/ etc/p=in etc/q==etc/p l>../../etc"},
		"directory over a link":                {[]layer{etc(link("l", "/etc")), {dir("/l/"), hard("/l/q", "/etc/p")}}, "etc/ etc/p=in l/ l/q==etc/p"},
		"directory over a link, and its files": {[]layer{etc(link("l", "etc"), hard("/l/q", "/etc/p")), {dir("/l/"), file("/l/q", "other")}}, "etc/ etc/p=in etc/q==etc/p l/ l/q=other"},

		"hard link to a link to what comes": {[]layer{{dir("etc"), link("l", "/etc/p"), hard("k", "l"), file("/etc/p", "after")}}, "etc/ etc/p=after k>/etc/p l==k"},
		"hard link to a link up":            {[]layer{etc(link("l", far+"etc/p"), hard("k", "/l"))}, "etc/ etc/p=in k>" + far + "etc/p l==k"},
		"hard link to an absolute link":     {[]layer{etc(link("l", "/etc/p"), hard("k", "/l"))}, "etc/ etc/p=in k>/etc/p l==k"},
		"hard link to a link of the host":   {[]layer{{link("/tmp/l", "/etc/shadow"), hard("k", "/tmp/l")}}, "k>/etc/shadow tmp/ tmp/l==k"},
		"hard link up to a link":            {[]layer{{file("f", "in"), link("l", "../../../f"), hard("k", "../../../l")}}, "!out of the root"},

		"whiteout of the root's parent":    {[]layer{etc(), {wh(".wh...")}}, "!whiteout of no file"},
		"whiteout of a parent":             {[]layer{etc(), {wh("etc/.wh...")}}, "!whiteout of no file"},
		"whiteout of the root":             {[]layer{etc(), {wh(".wh..")}}, "!whiteout of no file"},
		"whiteout of the directory itself": {[]layer{etc(), {wh("etc/.wh..")}}, "!whiteout of no file"},
		"whiteout of a link":               {[]layer{etc(link("l", "/etc")), {wh(".wh.l")}}, "etc/ etc/p=in"},
		"whiteout by a link":               {[]layer{etc(file("etc/gone", "1"), link("l", "/etc")), {wh("l/.wh.gone")}}, "etc/ etc/p=in l>/etc"},
		"whiteout as a directory":          {[]layer{etc(), {file(".wh.etc/f", "1")}}, "!inside a whiteout"},
		"whiteout by a dead link":          {[]layer{etc(link("l", "/none")), {wh("l/.wh.etc")}}, "etc/ etc/p=in l>/none none/"},
		"whiteout through nothing":         {[]layer{etc(), {wh("none/../.wh.etc")}}, ""},

		"file up":                    {[]layer{{file("../victim/f", "out")}}, "!out of the root"},
		"absolute file up":           {[]layer{{file("/../victim/f", "out")}}, "!out of the root"},
		"hard link up":               {[]layer{{hard("f", "../victim/hello")}}, "!out of the root"},
		"absolute hard link up":      {[]layer{{hard("f", "/../victim/hello")}}, "!out of the root"},
		"hard link as a loophole":    {[]layer{{hard("hole", "../victim"), file("hole/f", "out")}}, "!out of the root"},
		"hard link to a loophole":    {[]layer{{link("hole", "../victim"), hard("f", "hole/hello")}}, "!no such file"},
		"loophole, then a file":      {[]layer{{link("hole", "../victim"), file("hole/hello", "in")}}, "hole>../victim victim/ victim/hello=in"},
		"loophole that is made hard": {[]layer{{link("hole", "../victim"), hard("f", "hole"), file("f/hello", "in")}}, "f>../victim hole==f victim/ victim/hello=in"},
		"loophole that is read":      {[]layer{{link("hole", "../victim"), link("s", "hole/hello"), file("s", "in")}}, "hole>../victim s=in"},
		"loophole, twice":            {[]layer{{dir("d"), link("d/hole", ".."), link("l", "d/hole/../victim"), file("l/f", "in")}}, "d/ d/hole>.. l>d/hole/../victim victim/ victim/f=in"},
		"loophole that becomes one":  {[]layer{{dir("hole"), link("hole", "../victim"), file("hole/f", "in")}}, "hole>../victim victim/ victim/f=in"},
		"loophole over a loophole":   {[]layer{{link("hole", "../victim")}, {link("hole", "/victim"), file("hole/f", "in")}}, "hole>/victim victim/ victim/f=in"},

		"link to the root":         {[]layer{{link("l", "/"), file("l/f", "in")}}, "f=in l>/"},
		"link above the root":      {[]layer{{link("l", "/../"), file("l/f", "in")}}, "f=in l>/../"},
		"link far above the root":  {[]layer{{link("l", "/"+far), file("l/f", "in")}}, "f=in l>/" + far},
		"link above, with dots":    {[]layer{{link("l", "/./.././.././../"), file("l/f", "in")}}, "f=in l>/./.././.././../"},
		"link to the parent":       {[]layer{{link("l", ".."), file("l/f", "in")}}, "f=in l>.."},
		"parents that are missing": {[]layer{{file("a/b/c/f", "in")}}, "a/ a/b/ a/b/c/ a/b/c/f=in"},
		"hidden whiteouts":         {[]layer{{file("a/.h", "1"), file("a/.d/f", "1"), file(".r", "1")}, {wh("a/.wh..h"), wh("a/.wh..d"), wh(".wh..r")}}, "a/"},
		"opaque, and its own":      {[]layer{{file("d/old/f", "1"), file("d/f", "1")}, {dir("d"), wh("d/.wh..wh..opq"), dir("d/old"), file("d/old/g", "2")}}, "d/ d/old/ d/old/g=2"},
		"opaque by a link":         {[]layer{{file("d/f", "1"), link("l", "d")}, {wh("l/.wh..wh..opq")}}, "d/ l>d"},
	} {
		n, err := mergeOf(t, c.stack...)
		want, refused := strings.CutPrefix(c.want, "!")
		switch {
		case refused && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: error %v, want %q", name, err, want)
		case !refused && err != nil:
			t.Errorf("%s: %v, want %s", name, err, want)
		case !refused && paths(n) != want:
			t.Errorf("%s:\ngot  %s\nwant %s", name, paths(n), want)
		}
	}
}
