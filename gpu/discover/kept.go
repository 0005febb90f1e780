package discover

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/gpu/plan"
	"github.com/sealift/sealift/gpu/request"
)

// Kept is a specification of NVIDIA's GPUs as an earlier start has found it: neither a
// driver has to be asked for it, nor files of CDI to be read.
type Kept struct {
	// Key is what it follows from.
	Key string
	// From says how it was found, for messages.
	From string
	Spec *specs.Spec
	// Libraries are what was read of those of Spec.
	Libraries plan.Facts
}

// Key returns what a specification of NVIDIA's GPUs follows from here and now: the start
// of the machine, the driver in the kernel, the device nodes and which of them may be
// used, files of CDI, and the helper.
func (h *Host) Key(r *request.Request) string {
	sum := sha256.New()
	for _, name := range []string{"proc/sys/kernel/random/boot_id", "proc/driver/nvidia/version"} {
		text, err := fs.ReadFile(h.Root, name)
		fmt.Fprintf(sum, "%s %q %v\n", name, text, err != nil)
	}
	for _, dir := range []string{"dev", "dev/nvidia-caps"} {
		entries, _ := fs.ReadDir(h.Root, dir) // what cannot be read has none
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "nvidia") {
				fmt.Fprintf(sum, "%s/%s %v\n", dir, e.Name(), h.Access("/"+dir+"/"+e.Name()))
			}
		}
	}
	for _, dir := range r.CDIDirs {
		entries, _ := fs.ReadDir(h.Root, strings.TrimPrefix(dir, "/"))
		for _, e := range entries {
			fmt.Fprintf(sum, "%s/%s%s\n", dir, e.Name(), stamp(e.Info()))
		}
	}
	if h.Helper != "" {
		fmt.Fprintf(sum, "%s%s\n", h.Helper, stamp(fs.Stat(h.Root, strings.TrimPrefix(h.Helper, "/"))))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// stamp tells versions of a file apart.
func stamp(info fs.FileInfo, err error) string {
	if err != nil {
		return " unknown"
	}
	return fmt.Sprintf(" %d %d", info.Size(), info.ModTime().UnixNano())
}

// Fits says whether what was kept holds for a request here and now, which has this key.
func (k *Kept) Fits(h *Host, key string) bool {
	return k != nil && k.Spec != nil && k.Key == key && plan.Stale(k.Spec, h.Root) == nil
}

// keeps says whether a request is for what can be kept.
func keeps(r *request.Request) bool {
	return r.NVIDIA != nil && (r.NVIDIA.From == "" || r.NVIDIA.From == "auto") && !r.NVIDIA.Compat32
}

// Recall takes over what was kept, if it holds for a request, and has Find tell what is
// to be kept next.
func (h *Host) Recall(r *request.Request, kept func() *Kept) {
	if !keeps(r) {
		return
	}
	h.key = h.Key(r)
	if k := kept(); k.Fits(h, h.key) {
		h.kept = k
	}
}

// Recalled says that Find will need no files of CDI.
func (h *Host) Recalled() bool { return h.kept != nil }
