package pull

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/bootstrap"
	"github.com/sealift/sealift/image/build/fromdef"
	"github.com/sealift/sealift/image/build/key"
	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/oci"
	"github.com/sealift/sealift/image/squashfs/codec"
)

// sifKind is the kind of cache entries that are SIF files made of OCI images, by
// what they are made of and how.
const sifKind = "sif"

// findImage finds an OCI image, which becomes a SIF file.
func findImage(ctx context.Context, source string, o build.Options, e Environment) (*found, error) {
	ref, err := oci.ParseReference(source)
	if err != nil {
		return nil, err
	}
	if ref.Transport != oci.Docker && ref.Transport != oci.DockerDaemon {
		ref.Path = e.Host.Absolute(ref.Path)
	}
	name := ref.String()
	if ref, err = bootstrap.Allowed(&e.Environment, ref); err != nil {
		return nil, err
	}
	opts := oci.Options{
		TempDir: e.Host.Absolute(o.TmpDir), Daemon: e.Daemon, Registry: e.Registry, Received: e.Received,
		Documents: e.Documents(ctx),
	}
	img, err := oci.Open(ctx, ref, oci.Platform{OS: "linux", Arch: e.Host.Arch, Variant: e.Host.Variant}, opts)
	if err != nil {
		return nil, err
	}
	return &found{
		name: name, digest: img.Digest(), id: sifID(img.Digest(), o, e), size: img.Size(), close: img.Close,
		write: func(ctx context.Context, to *os.File) error { return convert(ctx, source, img, o, e, to) },
	}, nil
}

// sifID is the cache's name for the SIF file of an image: one for all that would
// have the same files in the same format.
func sifID(digest string, o build.Options, e Environment) cache.ID {
	k := key.New("sif").String("image", digest).String("arch", e.Host.Arch).String("variant", e.Host.Variant).
		String("version", e.Host.Version+" "+codec.Implementation).
		String("format", fmt.Sprintf("%+v %d %t", o.Codec, o.BlockSize, o.FixPerms))
	if o.Reproducible {
		k.String("time", timeOf(e))
	}
	return cache.ID{Kind: sifKind, Key: k.Sum().String()}
}

// timeOf is what a reproducible image depends on besides what it is made of.
func timeOf(e Environment) string {
	if e.Fixed {
		return fmt.Sprint(e.Now.Unix())
	}
	return "the image's"
}

// convert writes the image to a file.
func convert(ctx context.Context, source string, img *oci.Image, o build.Options, e Environment, to *os.File) error {
	o.Output, o.Sandbox = filepath.Join(e.Host.Absolute(o.TmpDir), "image"), false
	steps, err := fromdef.Convert(source, img, e.Host, o)
	if err != nil {
		return err
	}
	e.Into = to
	return build.Run(ctx, steps, o, e.Environment)
}
