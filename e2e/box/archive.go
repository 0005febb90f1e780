package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
)

// blob is a file of the archive's blobs directory.
type blob struct {
	media string
	data  []byte
}

func (b blob) digest() string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b.data)) }

func (b blob) descriptor() map[string]any {
	return map[string]any{"mediaType": b.media, "digest": b.digest(), "size": len(b.data)}
}

// archive writes OUT, an OCI archive (image-spec 1.1, image-layout.md) of one
// image whose only layer is this program under the names of its tools.
func archive(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: box oci-archive OUT")
	}
	layerTar, err := rootfs()
	if err != nil {
		return err
	}
	var zipped bytes.Buffer
	zw := gzip.NewWriter(&zipped)
	if _, err := zw.Write(layerTar); err != nil {
		return err
	}
	if err := zw.Close(); err != nil {
		return err
	}
	const vnd = "application/vnd.oci.image."
	layer := blob{vnd + "layer.v1.tar+gzip", zipped.Bytes()}
	config := jsonBlob(vnd+"config.v1+json", map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Env": []string{"PATH=/bin"}, "Cmd": []string{"/bin/sh"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{blob{data: layerTar}.digest()}},
	})
	manifest := jsonBlob(vnd+"manifest.v1+json", map[string]any{
		"schemaVersion": 2, "mediaType": vnd + "manifest.v1+json",
		"config": config.descriptor(), "layers": []any{layer.descriptor()},
	})
	entry := manifest.descriptor()
	entry["annotations"] = map[string]string{"org.opencontainers.image.ref.name": "latest"}
	index := jsonBlob("", map[string]any{"schemaVersion": 2, "manifests": []any{entry}})

	files := map[string][]byte{"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`), "index.json": index.data}
	for _, b := range []blob{layer, config, manifest} {
		files["blobs/sha256/"+b.digest()[len("sha256:"):]] = b.data
	}
	return writeTar(args[0], files)
}

func jsonBlob(media string, v any) blob {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of strings and numbers always marshal
	}
	return blob{media, data}
}

// rootfs is the layer: a tar of directories, this program and its links.
func rootfs() ([]byte, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile(self)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	add := func(h tar.Header, data []byte) {
		h.Size, h.Format = int64(len(data)), tar.FormatPAX
		if err == nil {
			err = tw.WriteHeader(&h)
		}
		if err == nil {
			_, err = tw.Write(data)
		}
	}
	for _, dir := range []string{"bin/", "etc/", "root/", "tmp/"} {
		mode := int64(0o755)
		if dir == "tmp/" {
			mode = 0o1777
		}
		add(tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: mode}, nil)
	}
	add(tar.Header{Typeflag: tar.TypeReg, Name: "etc/passwd", Mode: 0o644}, []byte("root:x:0:0:root:/root:/bin/sh\n"))
	add(tar.Header{Typeflag: tar.TypeReg, Name: "etc/group", Mode: 0o644}, []byte("root:x:0:\n"))
	add(tar.Header{Typeflag: tar.TypeReg, Name: "bin/box", Mode: 0o755}, program)
	for _, name := range slices.Sorted(maps.Keys(applets())) {
		add(tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: "box", Mode: 0o777}, nil)
	}
	if err != nil {
		return nil, err
	}
	return buf.Bytes(), tw.Close()
}

func writeTar(path string, files map[string][]byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(f)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(files[name]))}
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		if _, err := tw.Write(files[name]); err != nil {
			return err
		}
	}
	if err := tw.Close(); err != nil {
		return err
	}
	return f.Close()
}
