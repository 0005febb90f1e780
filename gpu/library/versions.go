package library

import (
	"bytes"
	"debug/elf"
)

// maxTable bounds a table of versions and its strings, in bytes.
const maxTable = 4 << 20

// maxRecords bounds the records of a table, which may share bytes.
const maxRecords = 1 << 14

// maxText bounds a string, in bytes.
const maxText = 256

// Flags of versions (elf.h): that a need is weak, and that a definition is the
// file's own name.
const (
	flagBase = 1
	flagWeak = 2
)

// versions reads the tables of symbol versions. debug/elf would read all symbols
// for that, of which drivers have many. A table that is broken ends early: what it
// lacks is not known to be needed.
func (lib *Library) versions(f *elf.File) {
	// Elf64_Verneed: version, count, file, aux, next. Elf64_Vernaux: hash, flags,
	// other, name, next. They are the same in ELF of 32 bits.
	if t := newTable(f, elf.SHT_GNU_VERNEED); t != nil {
		t.each(0, 16, 12, func(at uint32) {
			file := t.text(t.u32(at + 4))
			t.each(at+t.u32(at+8), 16, 12, func(aux uint32) {
				if t.u16(aux+4)&flagWeak == 0 {
					lib.Needs[file] = append(lib.Needs[file], t.text(t.u32(aux+8)))
				}
			})
		})
	}
	// Elf64_Verdef: version, flags, index, count, hash, aux, next. Elf64_Verdaux:
	// name, next, of which the first is the version's own.
	if t := newTable(f, elf.SHT_GNU_VERDEF); t != nil {
		t.each(0, 20, 16, func(at uint32) {
			aux := at + t.u32(at+12)
			if t.u16(at+2)&flagBase == 0 && aux >= at {
				lib.Defines = append(lib.Defines, t.text(t.u32(aux)))
			}
		})
	}
}

// table is a section of records that point to each other, and to strings.
type table struct {
	f          *elf.File
	data, strs []byte
	records    int // read so far
}

func newTable(f *elf.File, kind elf.SectionType) *table {
	s := f.SectionByType(kind)
	if s == nil || s.Size > maxTable || int(s.Link) >= len(f.Sections) || f.Sections[s.Link].Size > maxTable {
		return nil
	}
	data, err := s.Data()
	if err != nil {
		return nil
	}
	strs, err := f.Sections[s.Link].Data()
	if err != nil {
		return nil
	}
	return &table{f: f, data: data, strs: strs}
}

// each calls do with the offsets of a chain of records of a size; next is where
// they hold the distance to the following one, or 0. Distances go forwards, so
// that it ends.
func (t *table) each(at, size, next uint32, do func(at uint32)) {
	for uint64(at)+uint64(size) <= uint64(len(t.data)) && t.records < maxRecords {
		t.records++
		do(at)
		step := t.u32(at + next)
		if step == 0 || at+step < at {
			return
		}
		at += step
	}
}

// u16 and u32 return numbers of the table, 0 outside of it.
func (t *table) u16(at uint32) uint16 {
	if uint64(at)+2 > uint64(len(t.data)) {
		return 0
	}
	return t.f.ByteOrder.Uint16(t.data[at:])
}

func (t *table) u32(at uint32) uint32 {
	if uint64(at)+4 > uint64(len(t.data)) {
		return 0
	}
	return t.f.ByteOrder.Uint32(t.data[at:])
}

// text returns a string, empty outside of the table.
func (t *table) text(at uint32) string {
	if uint64(at) >= uint64(len(t.strs)) {
		return ""
	}
	s := t.strs[at:min(uint64(len(t.strs)), uint64(at)+maxText)]
	s, _, _ = bytes.Cut(s, []byte{0})
	return string(s)
}
