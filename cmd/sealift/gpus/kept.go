package gpus

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sealift/sealift/cmd/sealift/caches"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/gpu/discover"
	"github.com/sealift/sealift/image/output"
)

// maxKept bounds what is kept of GPUs, in bytes.
const maxKept = 8 << 20

// recall returns what an earlier start has found; nil is nothing that can be used, such
// as a file of somebody else: it names files of the host.
func recall(p *ui.Process, hostname string) *discover.Kept {
	name, err := caches.Machine(p, hostname)
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
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) != os.Geteuid() || info.Size() > maxKept {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKept))
	if err != nil {
		return nil
	}
	k, err := discover.ParseKept(string(text))
	if err != nil {
		return nil
	}
	return k
}

// keep keeps what was found for later starts on this machine.
func keep(p *ui.Process, hostname string, k *discover.Kept) error {
	name, err := caches.Machine(p, hostname)
	if err != nil {
		return err
	}
	text, err := k.Text()
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
	if _, err := f.File().WriteString(text); err != nil {
		return errors.Join(err, f.Abort())
	}
	return f.Commit()
}
