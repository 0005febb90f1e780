package sifs

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// session is a user who types commands.
type session struct {
	*testing.T
	p        *ui.Process
	out, log bytes.Buffer
	image    string
}

func newSession(t *testing.T) *session {
	s := &session{T: t, image: filepath.Join(t.TempDir(), "x.sif")}
	s.p = &ui.Process{Terminal: ui.Terminal{Out: &s.out, Err: &s.log}}
	s.wants(0, "", "new", s.image)
	return s
}

// file writes a file and returns its path.
func (s *session) file(name, text string) string {
	path := filepath.Join(filepath.Dir(s.image), name)
	must(s, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// wants runs a command, and looks at its status and at what it prints.
func (s *session) wants(code int, text string, args ...string) {
	s.Helper()
	s.out.Reset()
	s.log.Reset()
	c := Command(s.p)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetOut(io.Discard)
	c.SetArgs(args)
	got, err := 0, c.Execute()
	if err != nil {
		got = s.p.Fail(err)
	}
	if all := s.out.String() + s.log.String(); got != code || !strings.Contains(all, text) {
		s.Errorf("%q: exit %d (%v), want %d and %q:\n%s", args, got, err, code, text, all)
	}
	if err != nil && hint.Of(err) == "" && code == 125 {
		s.Errorf("%q: there is no remedy for %v", args, err)
	}
}

const rule = "------------------------------------------------------------------------------\n"

// What is printed is what the peers' tool prints, but for times.
func TestRead(t *testing.T) {
	s := newSession(t)
	s.wants(0, rule+"ID   |GROUP   |LINK    |SIF POSITION (start-end)  |TYPE\n"+rule, "list", s.image)
	s.wants(0, "", "add", s.image, s.file("data", "squash"), "--datatype", "4", "--parttype", "2", "--partfs", "1", "--partarch", "2")
	s.wants(0, "", "add", s.image, s.file("bom", "{}"), "--datatype", "9", "--sbomformat", "cyclonedx-json", "--link", "1", "--filename", "list of all")
	s.wants(0, "", "add", s.image, s.file("sig", "sig"), "--datatype", "5", "--signhash", "1", "--signentity", strings.Repeat("aB", 20))
	s.wants(0, "1    |1       |NONE    |32768-32774               |FS (Squashfs/*System/amd64)\n"+
		"2    |1       |1       |32774-32776               |SBOM (cyclonedx-json)\n"+
		"3    |NONE    |NONE    |32776-32779               |Signature (SHA-256)\n", "list", s.image)
	s.wants(0, "  Name:         list of all\n  Format:       cyclonedx-json\n", "info", "2", s.image)
	s.wants(0, "  Linked ID:    1\n  Offset:       32774\n  Size:         2\n", "info", "2", s.image)
	s.wants(0, "  Entity:       "+strings.Repeat("AB", 20)+"\n", "info", "3", s.image)
	s.wants(0, "Primary Architecture: amd64\nID:                   ", "header", s.image)
	s.wants(0, "Descriptors Free:     45\nDescriptors Total:    48\nDescriptors Offset:   4096\nDescriptors Size:     27 KiB\n"+
		"Data Offset:          32176\nData Size:            603 B\n", "header", s.image)
	s.wants(0, "squash", "dump", "1", s.image)
	if s.out.String() != "squash" {
		t.Errorf("%q", &s.out)
	}
	var objects []map[string]any
	s.wants(0, "", "list", "--json", s.image)
	must(t, json.Unmarshal(s.out.Bytes(), &objects))
	if o := objects[1]; len(objects) != 3 || o["id"] != 2.0 || o["details"].(map[string]any)["format"] != "cyclonedx-json" || o["link"] != 1.0 {
		t.Errorf("%v", objects)
	}
	var one map[string]any
	s.wants(0, "", "info", "-j", "1", s.image)
	must(t, json.Unmarshal(s.out.Bytes(), &one))
	if one["type"] != "FS" || one["size"] != 6.0 {
		t.Errorf("%v", one)
	}
	s.wants(0, "", "header", "-j", s.image)
	must(t, json.Unmarshal(s.out.Bytes(), &one))
	if one["primaryArchitecture"] != "amd64" || one["descriptorsFree"] != 45.0 {
		t.Errorf("%v", one)
	}
}

func TestChange(t *testing.T) {
	s := newSession(t)
	part := s.file("part", "squash")
	add := []string{"add", s.image, part, "--datatype", "4", "--partfs", "1", "--partarch", "2", "--parttype"}
	s.wants(0, "", append(add, "2")...)
	s.wants(0, "", append(add, "1", "--groupid", "2", "--alignment", "512")...)
	s.wants(0, "", "setprim", "2", s.image)
	s.wants(0, "2    |2       |NONE    |33280-33286               |FS (Squashfs/*System/amd64)\n", "list", s.image)
	s.wants(0, "", "del", "1", s.image)
	s.wants(1, "2 things are wrong with its layout", "verify-layout", s.image) // it is no SquashFS, and at no page
}

// Mistakes are refused with a remedy.
func TestMistakes(t *testing.T) {
	s := newSession(t)
	data := s.file("data", "text")
	for _, c := range []struct {
		text string
		args []string
	}{
		{"is no id of an object", []string{"info", "x", s.image}},
		{"is no id of an object", []string{"del", "0", s.image}},
		{"no object has the id 7", []string{"dump", "7", s.image}},
		{"no object has the id 7", []string{"del", "7", s.image}},
		{"no object has the id 7", []string{"setprim", "7", s.image}},
		{"a file of another kind", []string{"list", data}},
		{"a file of another kind", []string{"verify-layout", data}},
		{"no such file", []string{"header", data + ".none"}},
		{"no such file", []string{"add", s.image, data + ".none", "--datatype", "6"}},
		{"--datatype is missing", []string{"add", s.image, data}},
		{"--datatype is missing", []string{"add", s.image, data, "--datatype", "12"}},
		{"is not from 0 to", []string{"add", s.image, data, "--datatype", "6", "--alignment", "-1"}},
		{"more than 128 bytes", []string{"add", s.image, data, "--datatype", "6", "--filename", strings.Repeat("x", 129)}},
		{"a partition needs", []string{"add", s.image, data, "--datatype", "4"}},
		{"exists", []string{"new", s.image}},
		{"unexpected operand", []string{"list", s.image, s.image}},
		{"needs 2 operands", []string{"info", s.image}},
		{"unknown command", []string{"frobnicate"}},
	} {
		s.wants(125, c.text, c.args...)
	}
	s.wants(0, "", "new", "--force", s.image)
}

func TestLayout(t *testing.T) {
	s := newSession(t)
	s.wants(0, "nothing is wrong: 0 in use, 48 free\n", "verify-layout", s.image)
	f, err := os.OpenFile(s.image, os.O_RDWR|os.O_APPEND, 0)
	must(t, err)
	_, err = f.WriteString("more")
	must(t, err)
	must(t, f.Close())
	s.wants(1, "LEVEL   |WHERE |PROBLEM\n"+rule+"warning |file  |4 bytes at the end, from byte 32176 on, belong to no object\n", "verify-layout", s.image)
	s.wants(1, `"where": "file"`, "verify-layout", "--json", s.image)
	s.wants(1, "1 thing is wrong with its layout", "verify-layout", s.image)
}

// What an image holds does not drive the terminal.
func TestTerminal(t *testing.T) {
	s := newSession(t)
	for name, text := range map[string]string{"name\x1b[2J\nOffset: 1": "text\x1b[2J", "data": "a\x00b", "big": strings.Repeat("x", maxShown+1)} {
		s.wants(0, "", "add", s.image, s.file("data", text), "--datatype", "7", "--filename", name)
	}
	master, tty, err := pty.Open()
	must(t, err)
	defer master.Close() // and not before: a terminal without it is none
	defer tty.Close()
	s.p.Stdout = tty
	for _, id := range []string{"1", "2", "3"} {
		s.wants(0, "Generic/Raw", "info", id, s.image)
		if strings.Contains(s.out.String(), "\x1b") || strings.Count(s.out.String(), "\n  Offset:") > 1 {
			t.Errorf("%q", &s.out)
		}
		name := s.out.String()
		if strings.Contains(name, "[2J") {
			s.wants(0, "text\uFFFD[2J", "dump", id, s.image)
		} else {
			s.wants(125, "is not text for a terminal", "dump", id, s.image)
		}
	}
}

func TestReadable(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 28080: "27 KiB", 5 << 20: "5 MiB", 3 << 30: "3 GiB", 1 << 60: "1 EiB"} {
		if got := readable(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	for seconds, want := range map[int64]string{0: "1970-01-01T00:00:00Z", -62135596800: "", 1 << 60: "", -1 << 60: ""} {
		if got := timestamp(seconds); got != want {
			t.Errorf("%d: %q", seconds, got)
		}
	}
	if len(times(-62135596800, 0)) != 1 {
		t.Error("no time is shown as one")
	}
}
