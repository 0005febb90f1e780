package definition

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/bounded"
)

func TestExpand(t *testing.T) {
	const text = "Bootstrap: oci\nFrom: {{BASE}}\n%arguments\n BASE=a:{{ TAG }}\n X = 1\n Y={{ X }}{{X}}\n%post\n" +
		" # {{ NOT }}\n echo {{ Y }} {{.Go}} {{ a b }}\nBootstrap: oci\nFrom: {{ X }}\n%arguments\n X=two\n"
	r := mustParse(t, text)
	got, err := r.Expand(map[string]string{"TAG": "{{ X }}"}, false)
	if err != nil {
		t.Fatal(err)
	}
	base, _ := got.Stages[0].Header("from")
	post, _ := got.Stages[0].Section("post")
	second, _ := got.Stages[1].Header("from")
	if base.Value != "a:{{ X }}" || post.Body != " # {{ NOT }}\n echo 11 {{.Go}} {{ a b }}\n" || second.Value != "two" {
		t.Errorf("expanded:\n%s", dump(got))
	}
	if r.Text != text {
		t.Error("the raw recipe changed")
	}
	got, err = r.Expand(map[string]string{"TAG": "t", "X": "9"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if post, _ := got.Stages[0].Section("post"); !strings.Contains(post.Body, "echo 99 ") {
		t.Errorf("an argument does not beat the default: %q", post.Body)
	}
}

func TestExpandErrors(t *testing.T) {
	double := "%arguments\n A0=xxxxxxxxxxxxxxxx\n"
	for i := range 25 {
		double += " A" + string(rune('b'+i)) + "={{ A" + string(rune("0bcdefghijklmnopqrstuvwxyz"[i])) + " }}{{ A" + string(rune("0bcdefghijklmnopqrstuvwxyz"[i])) + " }}\n"
	}
	for _, c := range []struct {
		name, text string
		args       map[string]string
		want, hint string
	}{
		{"undefined", "%post\n\n echo {{ V }}\n", nil, "x.def:4:7: undefined argument {{ V }}", "give V a default in %arguments"},
		{"undefined in a header", "From: {{ V }}\n", nil, "x.def:2:7: undefined argument {{ V }}", ""},
		{"undefined in a default", "%arguments\n A={{ B }}\n", nil, "x.def:3:4: undefined argument {{ B }}", "give B a default"},
		{"circle", "%arguments\n A = {{ B }}\n B={{ A }}\n", nil, "x.def:4:4: default of B uses itself", ""},
		{"in a string", "%post\n echo '#'{{ B }}\n", nil, "x.def:3:10: undefined argument {{ B }}", ""},
		{"unused", "%post\n", map[string]string{"V": "1"}, "x.def: build argument V is not used", "allow unused"},
		{"no equals sign", "%arguments\n A\n", nil, `x.def:3:2: "A"; expected "name=default"`, ""},
		{"bad name", "%arguments\n A-B=1\n", nil, `x.def:3:2: "A-B=1"; expected`, ""},
		{"line break", "From: {{ V }}\n", map[string]string{"V": "a\n%post"}, "build argument V holds a line break", ""},
		{"adds a section", "%post\n{{ V }}\n", map[string]string{"V": "%test"}, "x.def:3: a build argument adds a header or section", ""},
		{"adds a stage", "%post\n{{ V }}\n", map[string]string{"V": "Bootstrap: oci"}, "x.def:3: a build argument adds a header or section", ""},
		{"adds an unknown section", "%post\n{{ V }}\n", map[string]string{"V": "%x"}, "with build arguments: x.def:3:1: unknown section", ""},
		{"doubling defaults", double, nil, "grow", ""},
		{"large", "%post\n" + strings.Repeat("{{ V }}\n", 1000), map[string]string{"V": strings.Repeat("x", 2000)}, "grows over 1048576 bytes", ""},
		{"large line", "%post\n" + strings.Repeat("{{ V }}", 1000), map[string]string{"V": strings.Repeat("x", 2000)}, "grows over 1048576 bytes", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := mustParse(t, "Bootstrap: oci\n"+c.text).Expand(c.args, false)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(hint.Of(err), c.hint) {
				t.Errorf("error %v, hint %q; want %s", err, hint.Of(err), c.want)
			}
		})
	}
}

func TestExpandLeavesComments(t *testing.T) {
	const text = "Bootstrap: oci # {{ NO }}\n%arguments\n A={{ B }}{{ B }}\n B=b # {{ NO }}\n%post\n#!{{ A }}\n x # {{ NO }} {{ B }}\n"
	got, err := mustParse(t, text).Expand(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	const b = "b # {{ NO }}"
	if post, _ := got.Stages[0].Section("post"); post.Body != "#!"+b+b+"\n x # {{ NO }} "+b+"\n" {
		t.Errorf("%q", post.Body)
	}
}

func TestExpandAllowsUnused(t *testing.T) {
	if _, err := mustParse(t, "Bootstrap: oci\n").Expand(map[string]string{"V": "1"}, true); err != nil {
		t.Error(err)
	}
}

// FuzzParse (F11) checks that nothing panics, that errors say where, and that a
// parsed text parses again to the same recipe. The corpus is its seed.
func FuzzParse(f *testing.F) {
	f.Add([]byte("Bootstrap: oci\nFrom: a \\\n b\n%files from x\n 'a' \"b\\\"\n%labels\n a b\n%post -c x\n#!/bin/sh\n{{ A }}\n"), "v")
	f.Add([]byte("\ufeffbootstrap: a\r\n%arguments\nA=1\n%post\n%post\nBOOTSTRAP:x"), "%test")
	f.Add([]byte("bootstrap: a\n%post\n\r\r\n\r"), "")
	for _, path := range archives(f) {
		for _, s := range corpus(f, path) {
			if len(s.text) < 4096 {
				f.Add([]byte(s.text), s.args["A"])
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, value string) {
		bounded.Do(t, func() {
			r, err := Parse("f", text)
			if err != nil {
				checkPlace(t, string(text), err)
				return
			}
			again, err := Parse("f", []byte(r.Text))
			if err != nil || dump(again) != dump(r) {
				t.Fatalf("not stable: %v", err)
			}
			for i := range r.Stages {
				s := &r.Stages[i]
				_, err := r.Agent(s)
				checkPlace(t, r.Text, err)
				_, err = r.Apps(s)
				checkPlace(t, r.Text, err)
				for _, x := range s.Sections {
					_, _, err := r.Files(x)
					checkPlace(t, r.Text, err)
					_ = x.Labels()
					_, _, err = r.Script(s, x.Name)
					checkPlace(t, r.Text, err)
				}
			}
			x, err := r.Expand(map[string]string{"A": value}, true)
			if err == nil && len(x.Stages) != len(r.Stages) {
				t.Fatalf("%d stages became %d", len(r.Stages), len(x.Stages))
			}
		})
	})
}

// checkPlace checks that a mistake is at a place which text has.
func checkPlace(t *testing.T, text string, err error) {
	t.Helper()
	var at *Error
	if !errors.As(err, &at) {
		return
	}
	lines := strings.Split(text, "\n")
	if at.Line < 1 || at.Line > len(lines) || at.Column < 0 || at.Column > utf8.RuneCountInString(lines[at.Line-1])+1 {
		t.Errorf("%q: no such place: %v", text, err)
	}
}
