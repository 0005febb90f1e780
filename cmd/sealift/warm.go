package main

import (
	"io"
	"path"
	"strings"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/starter/plan"
)

// warmBytes is how much of the payload's program is decoded in advance.
const warmBytes = 2 << 20

// warm asks for what a profile says will be read, and decodes the start of the program that is about to run while the starter
// still mounts: the kernel asks for it one piece at a time. It only fills a
// cache, so whatever goes wrong here shows when the program is run.
func warm(img *image.File, p plan.Process) {
	r := img.Squash()
	if r == nil || img.Prefetch() != nil {
		return
	}
	for _, name := range candidates(p) {
		f, err := r.FS().Open(strings.TrimPrefix(path.Clean("/"+name), "/"))
		if err != nil {
			continue
		}
		defer f.Close()
		at, ok := f.(io.ReaderAt)
		info, err := f.Stat()
		if !ok || err != nil || !info.Mode().IsRegular() {
			continue
		}
		step := int64(r.Super().BlockSize)
		var one [1]byte
		for off := int64(0); off < min(info.Size(), warmBytes); off += step {
			if _, err := at.ReadAt(one[:], off); err != nil {
				return
			}
		}
		return
	}
}

// candidates are the places where the starter will look for the program.
func candidates(p plan.Process) []string {
	if strings.Contains(p.Args[0], "/") {
		return p.Args[:1]
	}
	var names []string
	for _, kv := range p.Env {
		if dirs, ok := strings.CutPrefix(kv, "PATH="); ok {
			for dir := range strings.SplitSeq(dirs, ":") {
				names = append(names, path.Join(dir, p.Args[0]))
			}
		}
	}
	return names
}
