package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// three images in one place, tagged as the names say
func archs(p place, names ...string) (list []object) {
	for _, name := range names {
		arch, variant, _ := strings.Cut(name, "/")
		d := p.addImage(arch, plainPart(name))
		list = append(list, withPlatform(d, "linux", arch, variant))
	}
	return list
}

func TestChoice(t *testing.T) {
	attestation := func(p place) object { return withPlatform(p.addImage("unknown"), "unknown", "unknown", "") }
	nested := func(p place, list ...object) object {
		return p.addJSON(indexType, object{"schemaVersion": 2, "mediaType": indexType, "manifests": list})
	}
	for _, c := range []struct {
		name, tag  string
		index      func(p place) []object
		want       string // the layer of the image, or
		err, hints string
	}{
		{"one", "", func(p place) []object { return []object{p.addImage("amd64", plainPart("x"))} }, "x", "", ""},
		{"by platform", "", func(p place) []object { return archs(p, "arm64", "amd64", "s390x") }, "amd64", "", ""},
		{"nested", "v1", func(p place) []object {
			list := append(archs(p, "arm64", "amd64"), attestation(p))
			return []object{withTag(nested(p, list...), "v1")}
		}, "amd64", "", ""},
		{"plain over a variant beyond", "", func(p place) []object { return archs(p, "amd64/v3", "amd64") }, "amd64", "", ""},
		{"by tag", "b", func(p place) []object {
			return []object{withTag(p.addImage("amd64", plainPart("x")), "a"), withTag(p.addImage("amd64", plainPart("y")), "b")}
		}, "y", "", ""},
		{"two tags of one image", "", func(p place) []object {
			d := p.addImage("amd64", plainPart("x"))
			return []object{withTag(d, "a"), withTag(d, "b")}
		}, "x", "", ""},
		{"several tags", "", func(p place) []object {
			return []object{withTag(p.addImage("amd64", plainPart("x")), "b"), withTag(p.addImage("amd64", plainPart("y")), "a")}
		}, "", "several images", ":a, :b"},
		{"wrong tag", "c", func(p place) []object { return []object{withTag(p.addImage("amd64"), "a")} }, "", `no image with the tag "c"`, ":a"},
		{"no tags", "c", func(p place) []object { return []object{p.addImage("amd64")} }, "", `no image with the tag "c"`, "leave the tag out"},
		{"none", "", func(place) []object { return []object{} }, "", "holds no image", ""},
		{"not offered", "", func(p place) []object { return append(archs(p, "s390x", "arm64"), attestation(p)) },
			"", "not for linux/amd64", "linux/arm64, linux/s390x"},
		{"wrong architecture in the configuration", "", func(p place) []object { return []object{p.addImage("arm64")} },
			"", "not for linux/amd64", "linux/arm64"},
		{"indexes without end", "", func(p place) []object {
			d := p.addImage("amd64")
			for range 20 {
				d = nested(p, d)
			}
			return []object{d}
		}, "", "nested more than", "damaged"},
		{"undecidable", "", func(p place) []object {
			return []object{p.addImage("amd64", plainPart("x")), p.addImage("amd64", plainPart("y"))}
		}, "", "no way to tell", "give the images tags"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := place{}
			p.layout(c.index(p)...)
			ref := "oci:" + p.directory(t)
			if c.tag != "" {
				ref += ":" + c.tag
			}
			img, err := openAs(t, ref)
			if c.err != "" {
				wantError(t, err, c.err, c.hints)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := read(img); err != nil || got[0] != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestPlatformRuns(t *testing.T) {
	for _, c := range []struct {
		machine, image Platform
		want           bool
	}{
		{Platform{"linux", "amd64", ""}, Platform{"linux", "amd64", "v1"}, true},
		{Platform{"linux", "amd64", ""}, Platform{"linux", "amd64", "v2"}, false},
		{Platform{"linux", "amd64", "v3"}, Platform{"linux", "amd64", "v2"}, true},
		{Platform{"linux", "arm", ""}, Platform{"linux", "arm", "v6"}, true},
		{Platform{"linux", "arm", "v6"}, Platform{"linux", "arm", "v7"}, false},
		{Platform{"linux", "arm64", ""}, Platform{"linux", "arm64", "v8"}, true},
		{Platform{"linux", "arm64", ""}, Platform{"linux", "arm64", "v8.2"}, false},
		{Platform{"linux", "riscv64", ""}, Platform{"linux", "riscv64", ""}, true},
		{Platform{"linux", "amd64", ""}, Platform{"linux", "amd64", "vNaN"}, false},
		{Platform{"linux", "amd64", ""}, Platform{"windows", "amd64", ""}, false},
	} {
		if got := c.machine.runs(c.image); got != c.want {
			t.Errorf("%s runs %s: %v", c.machine, c.image, got)
		}
	}
}

// TestDocuments is the table of what is wrong with indexes, manifests and
// configurations.
func TestDocuments(t *testing.T) {
	one := []part{plainPart("x")}
	manifest := func(change func(p place, m object)) func(place) place {
		return func(p place) place {
			m := object{"schemaVersion": 2, "mediaType": manifestType, "config": p.addJSON(configType, configFor("amd64", one)),
				"layers": []object{p.add(layerType, one[0].blob)}}
			change(p, m)
			return p.layout(p.addJSON(manifestType, m))
		}
	}
	config := func(change func(c object)) func(place) place {
		return func(p place) place {
			c := configFor("amd64", one)
			change(c)
			return p.layout(p.addManifest(c, []object{p.add(layerType, one[0].blob)}))
		}
	}
	rawConfig := func(raw string) func(place) place {
		return manifest(func(p place, m object) { m["config"] = p.add(configType, []byte(raw)) })
	}
	file := func(name, text string) func(place) place {
		return func(p place) place {
			p.layout(p.addImage("amd64", one...))
			p[name] = []byte(text)
			return p
		}
	}
	layer := func(key string, value any) func(place) place {
		return manifest(func(p place, m object) {
			m["layers"] = []object{with(p.add(layerType, one[0].blob), key, value)}
		})
	}
	// An index whose one entry has the name of the index itself, which cannot be its digest.
	circle := func(p place) place {
		d := digestOf([]byte("?"))
		entry := object{"mediaType": indexType, "digest": d.String(), "size": 0}
		text, err := json.Marshal(object{"schemaVersion": 2, "mediaType": indexType, "manifests": []object{entry}})
		if err != nil {
			t.Fatal(err)
		}
		entry["size"] = len(text)
		p[d.path()] = text
		return p.layout(entry)
	}
	for name, c := range map[string]struct {
		make func(place) place
		want string
	}{
		"index in a circle":     {circle, "blob is sha256:"},
		"a million entries":     {file("index.json", `{"manifests":[`+strings.Repeat("{},", 1e6)+"{}]}"), "no digest"},
		"both kinds":            {manifest(func(_ place, m object) { m["manifests"] = []object{} }), "not either an index"},
		"neither kind":          {manifest(func(_ place, m object) { delete(m, "layers") }), "not either an index"},
		"other media type":      {manifest(func(_ place, m object) { m["mediaType"] = indexType }), "is of media type"},
		"schema 1":              {manifest(func(_ place, m object) { m["schemaVersion"] = 1 }), "schema 1"},
		"no configuration":      {manifest(func(_ place, m object) { delete(m, "config") }), "without a configuration"},
		"artifact":              {manifest(func(p place, m object) { m["config"] = p.add("application/vnd.oci.empty.v1+json", []byte("{}")) }), "is an artifact"},
		"too many layers":       {manifest(func(_ place, m object) { m["layers"] = make([]object, maxLayers+1) }), "more than 1000"},
		"null layer":            {manifest(func(_ place, m object) { m["layers"] = []any{nil} }), "no digest or size"},
		"huge manifest":         {manifest(func(_ place, m object) { m["x"] = strings.Repeat("x", maxManifest) }), "more than 4194304"},
		"deep manifest":         {file("index.json", strings.Repeat(`{"manifests":[`, 100000)), "exceeded max depth"},
		"index is manifest":     {file("index.json", `{"schemaVersion":2,"layers":[],"config":{"mediaType":"`+configType+`"}}`), "is a manifest"},
		"index is no JSON":      {file("index.json", "x"), "index.json invalid character"},
		"index is null":         {file("index.json", "null"), "not either"},
		"digest is a path":      {file("index.json", `{"manifests":[{"digest":"sha256:../../../etc/passwd"}]}`), "is not a sha256"},
		"digest missing":        {file("index.json", `{"manifests":[{"mediaType":"`+manifestType+`"}]}`), "no digest"},
		"manifest missing":      {file("index.json", `{"manifests":[{"digest":"`+digestOf([]byte("?")).String()+`"}]}`), "part of the image is missing"},
		"layout version":        {file("oci-layout", `{"imageLayoutVersion":"2.0.0"}`), `version "2.0.0"`},
		"layout is no JSON":     {file("oci-layout", `1`), "oci-layout"},
		"layer digest":          {layer("digest", "md5:00"), "is not a sha256"},
		"layer size":            {layer("size", 2), "has 1 bytes, not 2"},
		"negative size":         {layer("size", -1), "no digest or size"},
		"fractional size":       {layer("size", 1.5), "cannot unmarshal"},
		"layer type":            {layer("mediaType", "text/plain"), `media type "text/plain"`},
		"layer xz":              {layer("mediaType", layerType+"+xz"), "media type"},
		"layer encrypted":       {layer("mediaType", layerType+"+gzip+encrypted"), "is encrypted"},
		"layer mislabelled":     {layer("mediaType", layerType+"+gzip"), "blob is not compressed, its media type says gzip"},
		"null configuration":    {rawConfig("null"), "names no platform"},
		"list configuration":    {rawConfig("[]"), "cannot unmarshal"},
		"huge configuration":    {rawConfig(`{"x":"` + strings.Repeat("x", maxConfig) + `"}`), "more than 8388608"},
		"no platform":           {config(func(c object) { delete(c, "architecture") }), "names no platform"},
		"no diff IDs":           {config(func(c object) { delete(c, "rootfs") }), "diff IDs for 0 layers, the image has 1"},
		"diff ID too many":      {config(func(c object) { c["rootfs"] = configFor("", append(one, one...))["rootfs"] }), "for 2 layers, the image has 1"},
		"diff ID syntax":        {config(func(c object) { c["rootfs"] = object{"diff_ids": []string{"sha256:x"}} }), "is not a sha256"},
		"diff ID of other text": {config(func(c object) { c["rootfs"] = configFor("", []part{plainPart("y")})["rootfs"] }), "decompressed content is sha256:"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readMemory(c.make(place{}))
			wantError(t, err, c.want, "")
		})
	}
}

// TestImageWithoutLayers opens what "FROM scratch" with only metadata makes.
func TestImageWithoutLayers(t *testing.T) {
	p := place{}
	p.layout(p.addImage("amd64"))
	if got, err := readMemory(p); err != nil || len(got) != 0 {
		t.Errorf("layers %q, %v", got, err)
	}
}

func TestNotALayout(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	empty := place{"manifest.json": []byte("[]")}
	for ref, want := range map[string][2]string{
		"oci:" + dir:                                  {"not an OCI layout", "docker-archive:FILE"},
		"oci:" + dir + "/none":                        {"no such file", ""},
		"oci:" + dir + "/x":                           {"not a directory", "oci-archive:FILE"},
		"oci-archive:" + dir:                          {"is a directory", "oci:DIR"},
		"oci-archive:" + fifo:                         {"not a regular file", ""},
		"oci-archive:" + dir + "/x":                   {"not an OCI layout", ""},
		"oci-archive:" + writeFile(t, empty.tar()):    {"not an OCI layout", "docker-archive:FILE"},
		"docker-archive:" + writeFile(t, empty.tar()): {"holds no image", ""},
	} {
		_, err := openAs(t, ref)
		wantError(t, err, want[0], want[1])
		if !strings.HasPrefix(fmt.Sprint(err), ref+": ") {
			t.Errorf("%v does not begin with the reference", err)
		}
	}
}

// TestLayoutStaysInside puts symbolic links and a FIFO where blobs belong.
func TestLayoutStaysInside(t *testing.T) {
	p := place{}
	d := p.addImage("amd64", plainPart("x"))
	p.layout(d)
	blob := parsed(d).path()
	secret := writeFile(t, p[blob])
	for name, put := range map[string]func(at string) error{
		"symlink": func(at string) error { return os.Symlink(secret, at) },
		"fifo":    func(at string) error { return syscall.Mkfifo(at, 0o600) },
		"dir":     func(at string) error { return os.Mkdir(at, 0o700) },
	} {
		dir := p.directory(t)
		at := filepath.Join(dir, blob)
		if err := os.Remove(at); err != nil {
			t.Fatal(err)
		}
		if err := put(at); err != nil {
			t.Fatal(err)
		}
		if _, err := openAs(t, "oci:"+dir); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func TestArchiveIndex(t *testing.T) {
	p := place{}
	p.layout(p.addImage("amd64", threeParts...))
	whole := p.tar()
	for name, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"truncated":      {whole[:len(whole)/2], "unexpected EOF"},
		"file twice":     {append(bytes.TrimRight(whole, "\x00"), append(make([]byte, 512-len(bytes.TrimRight(whole, "\x00"))%512), whole...)...), "occurs twice"},
		"gzip truncated": {gz(whole)[:500], "unexpected EOF"},
		"xz":             {[]byte("\xfd7zXZ\x00......"), "compressed with xz"},
		"no tar":         {[]byte(strings.Repeat("text ", 500)), "tar archive"},
	} {
		_, err := openAs(t, "oci-archive:"+writeFile(t, c.raw))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}
