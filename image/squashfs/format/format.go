// Package format is the on-disk layout of SquashFS 4.0: its structures and
// their bytes, little-endian throughout, as the kernel's
// fs/squashfs/squashfs_fs.h and Documentation/filesystems/squashfs.rst
// describe them.
//
// Input and output: byte slices and the structures they stand for. It
// validates each field it parses on its own; what needs the rest of an image
// (does this offset exist?) is the reader's to check. It does no I/O and no
// compression.
package format

// Fixed numbers of the format.
const (
	Magic         = 0x73717368
	SuperSize     = 96
	MetaBlockSize = 8192 // uncompressed bytes of a full metadata block
	MinBlockSize  = 4096
	MaxBlockSize  = 1 << 20
	MaxName       = 256 // bytes of a directory entry's name (the kernel's SQUASHFS_NAME_LEN)
	MaxSymlink    = 4095
	MaxIDs        = 65535 // entries of the id table
	MaxDirCount   = 256   // entries after one directory header
	MaxDepth      = 1024  // directories below each other; Sealift's limit, the format has none
	FragmentSize  = 16    // bytes of a fragment table entry
	XattrIDSize   = 16    // bytes of an xattr id table entry

	// None marks an absent table in the superblock.
	None = ^uint64(0)
	// NoFragment and NoXattr mark their absence in an inode.
	NoFragment = ^uint32(0)
	NoXattr    = ^uint32(0)

	// MetaUncompressed is set in a metadata block's 16-bit length when the
	// block is stored as it is; BlockUncompressed likewise in a data block's
	// or fragment's 32-bit length. A data block of length 0 is a hole.
	MetaUncompressed  = 1 << 15
	BlockUncompressed = 1 << 24
)

// Compression ids of the superblock.
const (
	Gzip = 1 + iota
	LZMA
	LZO
	XZ
	LZ4
	Zstd
)

// Superblock flags.
const (
	FlagUncompressedInodes = 1 << iota
	FlagUncompressedData
	flagCheck
	FlagUncompressedFragments
	FlagNoFragments
	FlagAlwaysFragments
	FlagDuplicates
	FlagExportable
	FlagUncompressedXattrs
	FlagNoXattrs
	FlagCompressorOptions
	FlagUncompressedIDs
)

// Inode types: the basic ones, and from LDir on the extended ones.
const (
	Dir = 1 + iota
	Reg
	Symlink
	Block
	Char
	FIFO
	Socket
	LDir
	LReg
	LSymlink
	LBlock
	LChar
	LFIFO
	LSocket
)

// Xattr name prefixes, in the low byte of an entry's type; XattrOOL is set
// when the value is stored elsewhere and the entry holds its reference.
const (
	XattrUser = iota
	XattrTrusted
	XattrSecurity
	XattrOOL = 0x100
)

// Ref is the position of metadata: the offset of a compressed metadata block
// from its table's start in the high 48 bits, and an offset inside the
// uncompressed block in the low 16.
type Ref uint64

// MakeRef builds a Ref.
func MakeRef(block uint64, offset uint16) Ref { return Ref(block<<16 | uint64(offset)) }

// Block returns the offset of the metadata block in its table.
func (r Ref) Block() uint64 { return uint64(r) >> 16 }

// Offset returns the offset inside the uncompressed block.
func (r Ref) Offset() uint16 { return uint16(r) }

// Inode is any inode of the format; which fields count depends on Type.
type Inode struct {
	Type           uint16
	Perm           uint16 // low 12 bits of st_mode
	UIDIdx, GIDIdx uint16 // indices into the id table
	MTime          uint32 // seconds since the epoch
	Number         uint32 // from 1
	Nlink          uint32
	Xattr          uint32 // index into the xattr id table, or NoXattr

	// Regular files.
	Size     uint64
	Start    uint64   // offset of the first data block in the image
	Sparse   uint64   // bytes in holes
	Fragment uint32   // index of the fragment, or NoFragment
	FragOff  uint32   // offset inside the uncompressed fragment
	Blocks   []uint32 // stored lengths, with BlockUncompressed

	// Directories. Size is the listing's length plus 3.
	DirBlock  uint32 // metadata block in the directory table
	DirOffset uint16
	Parent    uint32 // inode number of the parent
	Index     []DirIndex

	Rdev   uint32 // devices: the kernel's new_encode_dev
	Target string // symbolic links
}

// DirIndex is an entry of an extended directory's index: the first entry of a
// header lies Offset bytes into the listing, in metadata block Block of the
// directory table.
type DirIndex struct {
	Offset uint32
	Block  uint32
	Name   string
}

// DirEntry is an entry of a directory listing.
type DirEntry struct {
	Name   string
	Ref    Ref
	Number uint32
	Type   uint16 // a basic inode type
}

// Fragment is an entry of the fragment table.
type Fragment struct {
	Start uint64
	Size  uint32 // stored length, with BlockUncompressed
}
