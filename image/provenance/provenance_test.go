package provenance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func build() Build {
	return Build{
		Partition: strings.Repeat("ab", 32), Recipe: []byte("Bootstrap: docker\nFrom: debian\n"), Arguments: []string{"version", "name"},
		Arch: "amd64", Version: "1.2.3", Time: time.Unix(1700000000, 0),
		Dependencies: []Dependency{
			{"docker://debian:12", "sha256:" + strings.Repeat("01", 32)}, {"https://host/<file>&more", ""},
			{"docker://debian:12", "sha256:" + strings.Repeat("01", 32)},
		},
	}
}

// The statement is as the specifications have it; testdata holds one that was read
// against them.
func TestStatement(t *testing.T) {
	got, err := Statement(build())
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/statement.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	b := build()
	b.Time, b.Dependencies, b.Arguments = time.Time{}, nil, nil
	if got, err := Statement(b); err != nil || strings.Contains(string(got), "startedOn") ||
		strings.Contains(string(got), "resolvedDependencies") || strings.Contains(string(got), "buildArguments") {
		t.Errorf("%v:\n%s", err, got)
	}
	b.Dependencies = []Dependency{{"x", "12"}}
	if _, err := Statement(b); err == nil || !strings.Contains(err.Error(), `the digest of x is "12"`) {
		t.Errorf("a digest without algorithm: %v", err)
	}
}

func TestDigest(t *testing.T) {
	data := bytes.Repeat([]byte("data"), 1<<19)
	got, err := Digest(t.Context(), iotest.DataErrReader(bytes.NewReader(data)))
	if want := fmt.Sprintf("%x", sha256.Sum256(data)); err != nil || got != want {
		t.Errorf("%s (%v), want %s", got, err, want)
	}
	no := errors.New("no")
	if _, err := Digest(t.Context(), iotest.ErrReader(no)); !errors.Is(err, no) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Digest(ctx, bytes.NewReader(data)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
