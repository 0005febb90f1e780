package e2e

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/sealift/sealift/e2e/fixture"
)

// startDockerRegistries starts two registries of Debian's, over TLS, of which
// scripts have the host as $BASIC and $TOKEN after the way they authenticate,
// and the certificate to trust as $CA. Both hold team/busybox:1. Without the
// programs the scripts that need them are skipped, except in CI.
func startDockerRegistries(t *testing.T, env map[string]string) {
	t.Helper()
	if _, err := os.Stat("/usr/bin/docker-registry"); err != nil && os.Getenv("CI") != "true" {
		t.Logf("no registry of Debian's: %v", err)
		return
	}
	ca, err := fixture.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	env["CA"] = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(env["CA"], ca.PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	for variable, tokens := range map[string]bool{"BASIC": false, "TOKEN": true} {
		r, err := fixture.StartDockerRegistry(t.TempDir(), ca, tokens)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
		env[variable] = r.Host
		putTLS(t, ca, r.Host+"/team/busybox:1", env["BUSYBOX"])
	}
}

// putTLS puts the image of a layout into a registry, as Ann.
func putTLS(t *testing.T, ca *fixture.Authority, where, dir string) {
	t.Helper()
	ref, err := name.ParseReference(where)
	if err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool()}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	login := &authn.Basic{Username: fixture.Ann, Password: fixture.AnnPassword}
	if err := remote.WriteIndex(ref, index, remote.WithAuth(login), remote.WithTransport(transport)); err != nil {
		t.Fatal(err)
	}
}
