package table

import (
	"github.com/sealift/sealift/image/squashfs/format"
)

// listing is where a directory's entries are in the directory table.
type listing struct {
	start format.Ref
	size  uint64 // bytes
	index []format.DirIndex
}

// addListing appends a directory's entries, sorted by name, to the directory
// table m. Every metadata block after the first that holds headers gets an
// index entry for its first one, by which a look-up skips the blocks before.
func addListing(m *metadata, entries []format.DirEntry) listing {
	if len(entries) == 0 {
		return listing{}
	}
	l := listing{start: m.ref()}
	indexed := l.start.Block()
	for len(entries) > 0 {
		at := m.ref()
		if at.Block() != indexed {
			indexed = at.Block()
			l.index = append(l.index, format.DirIndex{
				Offset: uint32(l.size), Block: uint32(indexed), Name: entries[0].Name,
			})
		}
		n := startingWithin(m.room(), entries[:format.RunLength(entries)])
		run := format.AppendDirRun(nil, entries[:n])
		m.write(run)
		l.size += uint64(len(run))
		entries = entries[n:]
	}
	return l
}

// startingWithin returns how many of a run's entries start in the first room
// bytes of the run, counting the first always: it ends at the border of a
// metadata block so that the next block starts with a header.
func startingWithin(room int, run []format.DirEntry) int {
	end := format.DirHeaderSize
	for i, e := range run {
		if end >= room && i > 0 {
			return i
		}
		end += format.DirEntrySize + len(e.Name)
	}
	return len(run)
}
