package sif

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/sylabs/sif/v2/pkg/sif"
)

// launchLine lets the kernel run an executable image.
const launchLine = "#!/usr/bin/env run-singularity\n"

// superSize is the length of a SquashFS superblock in bytes.
const superSize = 96

// The names of the JSON objects that other programs look for.
const (
	InspectMetadata = "inspect-metadata.json"
	OCIConfig       = "oci-config.json"
)

// NamedObject is an object of type JSON; its name has at most 128 bytes.
type NamedObject struct {
	Name string
	Data []byte
}

// Attachment is an object of type Generic that belongs to a partition: it is linked
// to it, in its group, and written after it.
type Attachment struct {
	// Name has at most 128 bytes.
	Name string
	// Data returns the bytes. It is called when the partition is in the file.
	Data func() ([]byte, error)
}

// Contents is everything that goes into an image besides its file system.
type Contents struct {
	// Arch is the Go name of the architecture.
	Arch string
	// Deffile is the definition file; nil leaves the object out.
	Deffile []byte
	// JSON objects are written inspect-metadata.json and oci-config.json
	// first, then by name.
	JSON []NamedObject
	// Attached are written after the partition, in this order.
	Attached []Attachment
	// Time is the creation time of the image and of each object, to the
	// second.
	Time time.Time
	// Reproducible sets the image's UUID to zero instead of a random one.
	Reproducible bool
	// Encrypted says that the partition is an encrypted one, and Message, unless
	// nil, the password of it, encrypted for a key (package crypt).
	Encrypted bool
	Message   []byte
}

// Create writes an image to f, which must be empty and open for reading and
// writing. Partition is called once: it writes a SquashFS image to w, which is
// f at the place for it, from start to end, with zeros for the superblock and
// what else is not known yet at its start, and returns these bytes. Its bytes are
// written to their final place; only the message and what is attached to it
// follow. The objects are in group 1.
func Create(f *os.File, c Contents, partition func(w io.Writer) (start []byte, err error)) error {
	if err := create(f, c, partition); err != nil {
		return fmt.Errorf("write SIF image: %w", err)
	}
	return nil
}

func create(f *os.File, c Contents, partition func(w io.Writer) ([]byte, error)) error {
	if st, err := f.Stat(); err != nil || st.Size() != 0 {
		return errors.Join(err, errors.New("the file is not empty"))
	}
	inputs, err := c.inputs()
	if err != nil {
		return err
	}
	p := &producer{f, partition}
	fs := sif.FsSquash
	if c.Encrypted {
		fs = fsGocryptfs
	}
	in, err := sif.NewDescriptorInput(sif.DataPartition, p, sif.OptPartitionMetadata(fs, sif.PartPrimSys, c.Arch))
	if err != nil {
		return err
	}
	inputs = append(inputs, in)
	id := uint32(len(inputs)) // of the partition
	if c.Message != nil {
		in, err := sif.NewDescriptorInput(sif.DataCryptoMessage, bytes.NewReader(c.Message),
			sif.OptLinkedID(id), sif.OptCryptoMessageMetadata(sif.FormatPEM, sif.MessageRSAOAEP))
		if err != nil {
			return err
		}
		inputs = append(inputs, in)
	}
	attached, err := attachments(c.Attached, id, 1, c.Time)
	if err != nil {
		return err
	}
	opts := []sif.CreateOpt{
		sif.OptCreateWithLaunchScript(launchLine),
		sif.OptCreateWithTime(c.Time),
		sif.OptCreateWithDescriptors(append(inputs, attached...)...),
		sif.OptCreateWithCloseOnUnload(false),
	}
	if c.Reproducible {
		opts = append(opts, sif.OptCreateWithID("00000000-0000-0000-0000-000000000000"))
	}
	img, err := sif.CreateContainer(f, opts...)
	if err != nil {
		return err
	}
	return img.UnloadContainer()
}

// inputs describes the objects before the partition.
func (c *Contents) inputs() ([]sif.DescriptorInput, error) {
	var inputs []sif.DescriptorInput
	if c.Deffile != nil {
		in, err := sif.NewDescriptorInput(sif.DataDeffile, bytes.NewReader(c.Deffile))
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, in)
	}
	for _, o := range slices.SortedFunc(slices.Values(c.JSON), compareJSON) {
		in, err := sif.NewDescriptorInput(sif.DataGenericJSON, bytes.NewReader(o.Data), sif.OptObjectName(o.Name))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Name, err)
		}
		inputs = append(inputs, in)
	}
	return inputs, nil
}

func compareJSON(a, b NamedObject) int {
	return cmp.Or(cmp.Compare(rankJSON(a.Name), rankJSON(b.Name)), cmp.Compare(a.Name, b.Name))
}

func rankJSON(name string) int {
	switch name {
	case InspectMetadata:
		return 0
	case OCIConfig:
		return 1
	}
	return 2
}

// producer is the partition as the library wants it, a reader. io.Copy prefers
// WriteTo, so the bytes flow from the SquashFS writer to the file without a
// pipe or a goroutine between.
type producer struct {
	f         *os.File
	partition func(w io.Writer) ([]byte, error)
}

// Read fails: the partition is written, not read.
func (p *producer) Read([]byte) (int, error) {
	return 0, errors.New("the SIF library did not use WriteTo")
}

// WriteTo writes the partition to p.f, which is the w that it is given, at the
// place for it.
func (p *producer) WriteTo(io.Writer) (n int64, err error) {
	offset, err := p.f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	start, err := p.partition(p.f)
	if err != nil {
		return 0, err
	}
	end, err := p.f.Seek(0, io.SeekCurrent)
	if n = end - offset; err == nil && (len(start) < superSize || n < int64(len(start))) {
		err = fmt.Errorf("a start of %d bytes for a partition of %d", len(start), n)
	}
	if err != nil {
		return n, err
	}
	_, err = p.f.WriteAt(start, offset)
	return n, err
}
