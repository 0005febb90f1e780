package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// rules are what has to hold for an image: that it is signed by a key of the run's own.
type rules struct {
	// The variables by which its hash tree is used because its signers made sure of it, and by
	// which it is read whole once.
	believed, remembered []string
}

// newRules has an image signed, and writes rules that want it signed.
func newRules(p program, work, image string) (*rules, error) {
	work, err := filepath.Abs(work)
	if err != nil {
		return nil, err
	}
	image, err = filepath.Abs(image)
	if err != nil {
		return nil, err
	}
	secret, public := filepath.Join(work, "key.pem"), filepath.Join(work, "key.pub")
	if err := newKey(secret, public); err != nil {
		return nil, err
	}
	if _, err := execute(exec.Command(p.path, "sign", "--key", secret, image)); err != nil {
		return nil, err
	}
	environ := func(name string, tree bool) ([]string, error) {
		dir := filepath.Join(work, name)
		text := fmt.Sprintf("[[signer]]\nname = \"bench\"\nkey = %q\n[[rule]]\npath = %q\naction = \"verify\"\nsigners = [\"bench\"]\ntree = %t\n",
			public, image, tree)
		err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "trust.toml"), []byte(text), 0o600))
		return []string{"SEALIFT_CONFIGDIR=" + dir, "SEALIFT_CACHEDIR=" + filepath.Join(work, "cache-"+name)}, err
	}
	r := &rules{}
	if r.believed, err = environ("believed", true); err == nil {
		r.remembered, err = environ("remembered", false)
	}
	return r, err
}

// newKey writes a new pair of keys.
func newKey(secret, public string) error {
	open, closed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	a, err := x509.MarshalPKCS8PrivateKey(closed)
	if err != nil {
		return err
	}
	b, err := x509.MarshalPKIXPublicKey(open)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(secret, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: a}), 0o600),
		os.WriteFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: b}), 0o600))
}

// readWhole is a start by rules for which all of the image is read.
func (r *rules) readWhole(p program, image string) starter {
	return starter{
		name: "sealift, before a start", args: []string{p.path, "exec", "--disable-cache", image, "/bin/true"}, environ: r.remembered,
	}
}
