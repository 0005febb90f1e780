package library

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestServices(t *testing.T) {
	l := newLibrary(t)
	l.Token = "secret"
	s, err := Discover(t.Context(), via(), l.URL())
	if err != nil || len(s) != 3 || s["library"] != l.URL() || s["keyserver"] != l.URL()+"/none" {
		t.Errorf("%v, %v", s, err)
	}
	if err := s.CheckToken(t.Context(), via(), "secret"); err != nil {
		t.Error(err)
	}
	if err := s.CheckToken(t.Context(), via(), "stale"); err == nil || strings.Contains(err.Error(), "stale") || !strings.Contains(err.Error(), "401") || !strings.Contains(hint.Of(err), "new token") {
		t.Errorf("error %v", err)
	}
	if err := (Services{}).CheckToken(t.Context(), via(), "secret"); err == nil || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
	if v, err := Version(t.Context(), via(), s["library"]); err != nil || v != "v1.2.3" {
		t.Errorf("%s, %v", v, err)
	}
	if _, err := Version(t.Context(), via(), s["keyserver"]); err == nil {
		t.Error("what is not there has a version")
	}
}

func TestServicesFaults(t *testing.T) {
	for want, answer := range map[string]http.HandlerFunc{
		"does not tell of services":    text(404, ""),
		"does not answer as a library": text(200, "<html>"),
		"as a library: json":           text(200, "[]"),
		"of more than 8388608 bytes":   text(200, strings.Repeat(" ", maxDocument+1)),
	} {
		l := newLibrary(t)
		l.Fault = fault("/assets/", -1, answer)
		if s, err := Discover(t.Context(), via(), l.URL()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", want, s, err)
		}
	}
	l := newLibrary(t)
	l.Fault = fault("/assets/", -1, text(200, `{"libraryAPI":{"uri":"https://l"},"x":5,"yAPI":{"uri":""},"zAPI":{"uri":7},"note":"text"}`))
	if s, err := Discover(t.Context(), via(), l.URL()); err != nil || len(s) != 1 || s["library"] != "https://l" {
		t.Errorf("%v, %v", s, err)
	}
}
