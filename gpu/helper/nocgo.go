//go:build !cgo

// Command sealift-gpu-helper asks NVIDIA's library which GPUs there are. This one was
// built without cgo and cannot load the library.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "sealift-gpu-helper was built without cgo, so that it cannot load NVIDIA's library: build it with CGO_ENABLED=1 and a C compiler")
	os.Exit(1)
}
