package gpus

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sealift/sealift/cmd/sealift/caches"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/gpu/discover"
	"github.com/sealift/sealift/image/output"
)

// keptFile is where the GPUs of a machine are kept, in the user's cache.
func keptFile(p *ui.Process, hostname string) (string, error) {
	dir, err := caches.Dir(p)
	return filepath.Join(dir, "gpu", hostname+".json"), err
}

// recall returns what an earlier start has found; nil is nothing that can be used, such
// as a file of somebody else: it names files of the host.
func recall(p *ui.Process, hostname string) *discover.Kept {
	name, err := keptFile(p, hostname)
	if err != nil {
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close() // which was only read
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	var k discover.Kept
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) != os.Geteuid() || json.NewDecoder(f).Decode(&k) != nil {
		return nil
	}
	return &k
}

// keep keeps what was found for later starts on this machine.
func keep(p *ui.Process, hostname string, k *discover.Kept) error {
	name, err := keptFile(p, hostname)
	if err != nil {
		return err
	}
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := output.Create(name, output.Options{Force: true, Mode: 0o600})
	if err != nil {
		return err
	}
	if _, err := f.File().Write(text); err != nil {
		return errors.Join(err, f.Abort())
	}
	return f.Commit()
}
