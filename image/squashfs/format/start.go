package format

import "bytes"

// maxLaunchLine is the longest first line, in bytes, that makes a file
// executable: the kernel's BINPRM_BUF_SIZE (include/uapi/linux/binfmts.h).
const maxLaunchLine = 256

// Start returns where the image begins in a file that begins with head: at byte 0,
// or right after a line "#!PROGRAM", by which Singularity 2 made its images
// executable. found is false for a file that is no SquashFS image.
func Start(head []byte) (offset int64, found bool) {
	if bytes.HasPrefix(head, []byte("#!")) {
		offset = int64(bytes.IndexByte(head[:min(len(head), maxLaunchLine)], '\n') + 1)
	}
	return offset, bytes.HasPrefix(head[offset:], []byte("hsqs"))
}
