package compression

import "testing"

const layerType = "application/vnd.oci.image.layer.v1.tar"

func TestOf(t *testing.T) {
	for mediaType, want := range map[string]Kind{
		layerType:           None,
		layerType + "+gzip": Gzip,
		layerType + "+zstd": Zstd,
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": Gzip,
		"application/vnd.docker.image.rootfs.diff.tar.gzip":            Gzip,
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":    Gzip,
		"application/vnd.docker.image.rootfs.diff.tar.zstd":            Zstd,
		"application/vnd.docker.image.rootfs.diff.tar":                 None,
		"":                            "",
		layerType + "+":               None,
		layerType + "+bzip2":          "",
		layerType + "+gzip+zstd":      "",
		layerType + "+gzip+encrypted": "",
		"application/vnd.docker.image.rootfs.diff.tar.gzip+encrypted": "",
	} {
		got, err := Of(mediaType)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", mediaType, got, err)
		}
	}
}
