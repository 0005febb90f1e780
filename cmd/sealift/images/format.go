package images

import (
	"github.com/spf13/pflag"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/writer"
)

// Format is how an image is compressed, as flags say it.
type Format struct {
	compression string
	blockSize   ui.Size
}

// AddFlags adds the flags.
func (f *Format) AddFlags(flags *pflag.FlagSet) {
	f.blockSize = writer.DefaultBlockSize
	flags.StringVar(&f.compression, "compression", "zstd",
		"compress with `METHOD`: zstd[:1-22], gzip[:1-9], lz4, xz or none")
	flags.Var(&f.blockSize, "block-size", "bytes that are compressed at a time, a power of two from 4K to 1M")
}

// Options returns what the flags say: a compressor, and bytes.
func (f *Format) Options() (codec.Choice, int, error) {
	choice, err := codec.Parse(f.compression)
	return choice, int(f.blockSize), err
}

// Usual is what Options returns where nobody was asked.
func Usual() (codec.Choice, int, error) {
	var f Format
	f.AddFlags(pflag.NewFlagSet("", pflag.ContinueOnError))
	return f.Options()
}
