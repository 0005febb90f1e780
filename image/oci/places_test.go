package oci

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/image/oci/registry"
)

// digestForms are texts that are no digests, though each has something of one.
func digestForms() map[string]string {
	sum := strings.Repeat("a", 64)
	return map[string]string{
		"a path":        "sha256:../../x",
		"a long path":   "sha256:" + strings.Repeat("../", 21) + "x",
		"a path before": "../" + "sha256:" + sum,
		"upper case":    "sha256:" + strings.Repeat("A", 64),
		"upper name":    "SHA256:" + sum,
		"short":         "sha256:" + sum[1:],
		"long":          "sha256:" + sum + "a",
		"of sha512":     "sha512:" + sum,
		"weak":          "md5:" + sum[:32],
		"unknown":       "sha256+b64u:" + sum,
		"no letters":    "sha256:" + strings.Repeat("g", 64),
		"a line":        "sha256:" + sum + "\n",
		"a line inside": "sha256:" + sum[:63] + "\n",
		"NUL":           "sha256:" + sum[:63] + "\x00",
		"spaces":        " sha256:" + sum,
		"no name":       ":" + sum,
		"only a name":   "sha256:",
		"nothing":       "",
		"a colon":       ":",
	}
}

// wantNoDigest wants an error of one line that says what is no digest.
func wantNoDigest(t *testing.T, err error, form string) {
	t.Helper()
	if err == nil {
		t.Errorf("%q is accepted", form)
		return
	}
	if text := err.Error(); !strings.Contains(text, "is not a sha256 or sha512 digest") || strings.ContainsAny(text, "\n\x00") || len(text) > 400 {
		t.Errorf("%q: error %q", form, text)
	}
}

// blobServer is a registry of one image with the tag v1, and notes what is asked of it.
// Says is what it says that the tag is; lacks is of no blob that it has.
type blobServer struct {
	*httptest.Server
	ref   Reference
	asked []string // what the last parts of the paths are
}

func serveBlobs(p place, top object, says string, lacks digest) *blobServer {
	s := &blobServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/v2/" && q.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		last := q.URL.Path[strings.LastIndexByte(q.URL.Path, '/')+1:]
		s.asked = append(s.asked, last)
		var d digest
		switch {
		case last == "":
			return
		case last == "v1":
			w.Header().Set("Docker-Content-Digest", says)
			d = parsed(top)
		case d.UnmarshalText([]byte(last)) != nil, p[d.path()] == nil, d == lacks:
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if d == parsed(top) {
			w.Header().Set("Content-Type", top["mediaType"].(string))
		} else if strings.Contains(q.URL.Path, "/manifests/") {
			w.Header().Set("Content-Type", manifestType)
		}
		_, _ = w.Write(p[d.path()]) // who has gone does not want it
	}))
	s.ref = Reference{Transport: Docker, Registry: registry.Reference{Host: strings.TrimPrefix(s.URL, "http://"), Repository: "r", Tag: "v1"}}
	return s
}

func (s *blobServer) open(t *testing.T) (*Image, error) {
	t.Helper()
	return Open(t.Context(), s.ref, amd64, Options{TempDir: t.TempDir(), Documents: kept{},
		Registry: registry.New(registry.Options{Own: registry.Credentials{Username: "user", Password: "secret"}})})
}

// TestDigestsEverywhereT60 puts what is no digest wherever one belongs, in a layout
// and in a registry. It is refused before anything is asked for by that name.
func TestDigestsEverywhereT60(t *testing.T) {
	one := plainPart("x")
	changed := func(p place, in, form string) object {
		layer, config := p.add(layerType, one.blob), configFor("amd64", []part{one})
		if in == "diff ID" {
			config["rootfs"] = object{"type": "layers", "diff_ids": []string{form}}
		}
		m := object{"schemaVersion": 2, "mediaType": manifestType, "config": p.addJSON(configType, config), "layers": []object{layer}}
		switch in {
		case "layer":
			m["layers"] = []object{with(layer, "digest", form)}
		case "configuration":
			m["config"] = with(p.addJSON(configType, config), "digest", form)
		}
		entry := withPlatform(p.addJSON(manifestType, m), "linux", "amd64", "")
		if in == "index" || in == "index, another platform's" {
			bad := with(entry, "digest", form)
			if in != "index" {
				bad = withPlatform(bad, "linux", "s390x", "")
			}
			return p.addJSON(indexType, object{"schemaVersion": 2, "mediaType": indexType, "manifests": []object{entry, bad}})
		}
		return entry
	}
	for _, in := range []string{"layer", "configuration", "diff ID", "index", "index, another platform's"} {
		for name, form := range digestForms() {
			p := place{}
			top := changed(p, in, form)
			p.layout(top)
			_, err := readMemory(p)
			wantNoDigest(t, err, in+" "+form)
			s := serveBlobs(p, top, parsed(top).String(), digest{})
			_, err = s.open(t)
			s.Close()
			wantNoDigest(t, err, in+" "+form)
			for _, last := range s.asked {
				if d := (digest{}); last != "" && last != "v1" && d.UnmarshalText([]byte(last)) != nil {
					t.Errorf("%s, %s: %q is asked for", in, name, last)
				}
			}
			if len(s.asked) > 4 { // who it is, what the tag is, and two documents
				t.Errorf("%s, %s: asked %q", in, name, s.asked)
			}
		}
	}
	for name, form := range digestForms() {
		// An index file of a layout, whose entries are annotated.
		p := place{}
		d := withTag(p.addImage("amd64", one), "v1")
		if _, err := readMemory(p.layout(d, withTag(with(d, "digest", form), "other"))); err == nil {
			t.Errorf("%s: accepted in the index of a layout", name)
		}
		// Nothing is looked up by what annotations say.
		p = place{}
		d = with(p.addImage("amd64", one), "annotations", object{"org.opencontainers.image.base.digest": form, "vnd.docker.reference.digest": form})
		if got, err := readMemory(p.layout(d)); err != nil || !slices.Equal(got, []string{"x"}) {
			t.Errorf("%s: as an annotation %q, %v", name, got, err)
		}
		for _, ref := range []string{"docker://h.example/x@" + form, "docker://h.example/x:1@" + form} {
			if r, err := ParseReference(ref); err == nil {
				t.Errorf("%q is %v", ref, r)
			}
		}
		// What a registry says that a tag is, it may not know how to say: the bytes tell.
		if says := strings.TrimSpace(strings.Trim(form, "\x00")); says != form {
			continue // no header can have it
		}
		s := serveBlobs(p, d, form, digest{})
		if img, err := s.open(t); err != nil || img.Digest() != parsed(d).String() {
			t.Errorf("%s, in a header: %v", name, err)
		} else if err := img.Close(); err != nil {
			t.Error(err)
		}
		s.Close()
	}
}

// TestHistoryT62: what an image says of how it was made is no list of its layers, and
// it does not matter what it says. It is kept as it is.
func TestHistoryT62(t *testing.T) {
	made := object{"created_by": "RUN x"}
	empty := object{"created_by": "ENV a=b", "empty_layer": true}
	many := make([]object, 50_000)
	for i := range many {
		many[i] = made
	}
	for name, c := range map[string]struct {
		history any
		want    string // of the error
	}{
		"none":               {nil, ""},
		"as it should be":    {[]object{made, empty, made, made}, ""},
		"fewer":              {[]object{made}, ""},
		"more":               {[]object{made, made, made, made, made}, ""},
		"all of no layer":    {[]object{empty, empty, empty}, ""},
		"none of no layer":   {[]object{with(empty, "empty_layer", false)}, ""},
		"empty":              {[]object{}, ""},
		"null in it":         {[]any{nil, made, nil}, ""},
		"very many":          {many, ""},
		"of other times":     {[]object{with(made, "created", "9999-12-31T23:59:59Z")}, ""},
		"escapes":            {[]object{with(made, "created_by", "\x1b]0;x\a\u202e")}, ""},
		"no list":            {"RUN x", "cannot unmarshal"},
		"a list of texts":    {[]string{"RUN x"}, "cannot unmarshal"},
		"no time":            {[]object{with(made, "created", "yesterday")}, "image configuration: "},
		"empty layer, maybe": {[]object{with(made, "empty_layer", "maybe")}, "cannot unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			p, config := place{}, configFor("amd64", threeParts)
			config["history"] = c.history
			layers := []object{}
			for _, l := range threeParts {
				layers = append(layers, p.add(l.mediaType, l.blob))
			}
			img := &Image{source: memory(p.layout(p.addManifest(config, layers)))}
			err := img.find(t.Context(), "", amd64)
			if c.want != "" {
				wantError(t, err, c.want, "")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkThree(t, img)
			if string(img.RawConfig()) != string(toJSON(config)) {
				t.Error("the configuration is another one")
			}
		})
	}
	// Nor does a history make up for layers or their diff IDs.
	p, config := place{}, configFor("amd64", threeParts)
	config["history"] = []object{made, made}
	_, err := readMemory(p.layout(p.addManifest(config, []object{p.add(layerType, []byte("one")), p.add(layerType, []byte("two"))})))
	wantError(t, err, "diff IDs for 3 layers, the image has 2", "")
}

// TestForeignLayersT64: a layer is asked of the registry only, whatever addresses its
// descriptor has, and nobody else sees who asks.
func TestForeignLayersT64(t *testing.T) {
	var others []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		others = append(others, q.Method+" "+q.URL.Path+" "+q.Header.Get("Authorization"))
		_, _ = io.WriteString(w, "x")
	}))
	defer other.Close()
	for _, mediaType := range []string{layerType, "application/vnd.oci.image.layer.nondistributable.v1.tar", "application/vnd.docker.image.rootfs.foreign.diff.tar"} {
		for _, has := range []bool{true, false} {
			p := place{}
			one := plainPart("x")
			layer := with(p.add(mediaType, one.blob), "urls", []string{other.URL + "/layer", "file:///etc/passwd", "http://169.254.169.254/latest"})
			top := p.addManifest(configFor("amd64", []part{one}), []object{layer})
			lacks := parsed(layer)
			if has {
				lacks = digest{}
			}
			s := serveBlobs(p, top, parsed(top).String(), lacks)
			img, err := s.open(t)
			if err != nil {
				t.Fatal(err)
			}
			got, err := read(img)
			if has && (err != nil || !slices.Equal(got, []string{"x"})) || !has && (err == nil || !strings.Contains(err.Error(), "404 Not Found")) {
				t.Errorf("%s, there %v: %q, %v", mediaType, has, got, err)
			}
			if err := img.Close(); err != nil {
				t.Error(err)
			}
			s.Close()
			if !slices.Contains(s.asked, parsed(layer).String()) || len(others) > 0 {
				t.Errorf("%s, there %v: asked %q, and others %q", mediaType, has, s.asked, others)
			}
		}
		// In a layout, an address is no place either.
		p := place{}
		one := plainPart("x")
		layer := with(p.add(mediaType, one.blob), "urls", []string{other.URL + "/layer"})
		p.layout(p.addManifest(configFor("amd64", []part{one}), []object{layer}))
		delete(p, parsed(layer).path())
		if _, err := readMemory(p); err == nil || len(others) > 0 {
			t.Errorf("%s: %v, others %q", mediaType, err, others)
		}
	}
}
