package sif

import (
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/buildcfg/hint"
)

// NewObject describes an object to add.
type NewObject struct {
	// Type is what TypeNumber returns, or one of the constants.
	Type Type
	// Name has at most 128 bytes.
	Name string
	// Group is 0 for none; Link is the id of an object, or 0 for none.
	Group, Link uint32
	// Alignment of the data, in bytes; nil is the type's own: a page for
	// partitions, none for others.
	Alignment *int
	// FileSystem, Part and Arch are a partition's, by the format's numbers: 1 for
	// SquashFS, 2 for the primary system, 2 for amd64.
	FileSystem, Part, Arch int32
	// Hash is that of a signature by the format's number, 1 for SHA-256, and
	// Entity the fingerprint of its key, 40 digits.
	Hash   int32
	Entity string
	// SBOM is the format of an SBOM, in the words of SBOMFormats.
	SBOM string
	// Data is what the object holds.
	Data io.Reader
}

// TypeNumber returns the type that the reference tool has a number for: 1 is a
// definition file, 11 an OCI blob.
func TypeNumber(n int) (Type, bool) {
	return Deffile + Type(n) - 1, n >= 1 && n <= int(sif.DataOCIBlob-sif.DataDeffile)+1
}

// SBOMFormats are the names of the formats of SBOMs, in the order of their numbers.
func SBOMFormats() []string {
	return []string{
		"cyclonedx-json", "cyclonedx-xml", "github-json", "spdx-json", "spdx-rdf", "spdx-tag-value", "spdx-yaml", "syft-json",
	}
}

// input is what the library is told.
func (o NewObject) input() (sif.DescriptorInput, error) {
	opts := []sif.DescriptorInputOpt{sif.OptNoGroup(), sif.OptObjectName(o.Name)}
	if o.Group != 0 {
		opts[0] = sif.OptGroupID(o.Group)
	}
	if o.Link != 0 {
		opts = append(opts, sif.OptLinkedID(o.Link))
	}
	if o.Alignment != nil {
		opts = append(opts, sif.OptObjectAlignment(*o.Alignment))
	}
	meta, err := o.metadata()
	if err != nil {
		return sif.DescriptorInput{}, err
	}
	if meta != nil {
		opts = append(opts, meta)
	}
	return sif.NewDescriptorInput(o.Type, o.Data, opts...)
}

// metadata is what only objects of the type have, or nil.
func (o NewObject) metadata() (sif.DescriptorInputOpt, error) {
	switch o.Type {
	case FileSystem:
		arch := ArchName(o.Arch)
		if o.FileSystem < 1 || o.FileSystem > int32(sif.FsRaw) || o.Part < 1 || o.Part > int32(sif.PartOverlay) || arch == "" {
			return nil, hint.New("a partition needs its file system, its kind and its architecture",
				"give --partfs (1 is SquashFS), --parttype (2 is the primary system) and --partarch (2 is amd64)")
		}
		return sif.OptPartitionMetadata(sif.FSType(o.FileSystem), sif.PartType(o.Part), arch), nil
	case Signature:
		hash, ok := hashes()[o.Hash]
		fingerprint, err := hex.DecodeString(strings.ReplaceAll(o.Entity, " ", ""))
		if !ok || err != nil || len(fingerprint) != 20 {
			return nil, hint.New("a signature needs its hash and the fingerprint of its key",
				"give --signhash (1 is SHA-256) and --signentity, 40 digits; or have the image signed: sealift sign")
		}
		return sif.OptSignatureMetadata(hash, fingerprint), nil
	case SBOM:
		for i, name := range SBOMFormats() {
			if name == o.SBOM {
				return sif.OptSBOMMetadata(sif.SBOMFormatCycloneDXJSON + sif.SBOMFormat(i)), nil
			}
		}
		return nil, hint.New(fmt.Sprintf("%q is no format of SBOMs", o.SBOM), "choose one of %s", strings.Join(SBOMFormats(), ", "))
	}
	return nil, nil
}

// ArchName returns the Go name of an architecture by the format's number, or nothing.
func ArchName(n int32) string {
	if n < 0 || n > 99 {
		return ""
	}
	return archName([]byte{byte('0' + n/10), byte('0' + n%10), 0})
}

// hashes are the hashes of signatures by the format's numbers.
func hashes() map[int32]crypto.Hash {
	return map[int32]crypto.Hash{
		1: crypto.SHA256, 2: crypto.SHA384, 3: crypto.SHA512, 4: crypto.BLAKE2s_256, 5: crypto.BLAKE2b_256,
	}
}

// CreateEmpty writes an image without objects to f, which must be empty and open
// for reading and writing.
func CreateEmpty(f *os.File, at time.Time) error {
	img, err := sif.CreateContainer(f, sif.OptCreateWithLaunchScript(launchLine), sif.OptCreateWithTime(at),
		sif.OptCreateWithCloseOnUnload(false))
	if err == nil {
		err = img.UnloadContainer()
	}
	if err != nil {
		return fmt.Errorf("write SIF image: %w", err)
	}
	return nil
}

// SetPrimary makes a system partition the primary one, and the one that was it an
// ordinary one. It changes f in several places and not all at once, so f must be a
// copy that nothing uses yet.
func SetPrimary(f *os.File, id uint32, at time.Time) error {
	if err := setPrimary(f, id, at); err != nil {
		return fmt.Errorf("sif: %w", err)
	}
	return nil
}

func setPrimary(f *os.File, id uint32, at time.Time) error {
	img, err := Load(f)
	if err != nil {
		return err
	}
	o, err := img.Lookup(id)
	if err != nil {
		return err
	}
	p, ok := o.Partition()
	if !ok || p.Role != sif.PartSystem && !p.isPrimary() {
		return hint.New(fmt.Sprintf("%v is no system partition", o), "choose a partition of type System: 'sealift sif list' shows them")
	}
	if p.isPrimary() {
		return nil
	}
	c, err := sif.LoadContainer(f, sif.OptLoadWithCloseOnUnload(false))
	if err != nil {
		return err
	}
	return errors.Join(c.SetPrimPart(id, sif.OptSetWithTime(at)), c.UnloadContainer())
}
