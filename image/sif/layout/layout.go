// Package layout says what is wrong with the layout of a SIF file, all of it.
//
// Input: the bytes of a file, hostile ones too. Output: findings. Where
// image/sif refuses an image at the first thing that is unsound, this package
// goes on, and also tells of what is merely odd: bytes that no object holds,
// counts that are not up to date. It reads the header, the table of descriptors,
// the start of SquashFS partitions and what lies between objects, whatever the
// file's size, and allocates no more than the table has bytes.
package layout

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Level says how bad something is.
type Level string

// The levels: a file with an Unsound layout is refused by programs, or read by
// one as this and by another as that; an Odd one can be used.
const (
	Unsound Level = "error"
	Odd     Level = "warning"
)

// Finding is one thing that is wrong. Where and Problem may quote the file.
type Finding struct {
	Level   Level  `json:"level"`
	Where   string `json:"where"`
	Problem string `json:"problem"`
}

// Report is what there is to say about a layout.
type Report struct {
	// Objects is how many descriptors are in use, Free how many are not.
	Objects  int       `json:"objects"`
	Free     int       `json:"free"`
	Findings []Finding `json:"findings"`
	// More is how many findings are left out.
	More int `json:"more,omitempty"`
}

// maxFindings bounds a report.
const maxFindings = 1000

// The format, version 01: sizes in bytes, and places of fields in the header.
const (
	headerSize     = 128
	descriptorSize = 585
	maxDescriptors = 65536
	page           = 4096
	groupMask      = 0xf0000000
	launchLine     = "#!/usr/bin/env run-singularity\n\x00"
)

// Check looks at the first size bytes of r. An error is one of reading.
func Check(r io.ReaderAt, size int64) (*Report, error) {
	c := &checker{r: r, size: size, report: &Report{Findings: []Finding{}}}
	err := c.check()
	return c.report, err
}

type checker struct {
	r       io.ReaderAt
	size    int64
	report  *Report
	h       header
	objects []object
}

// header are the fields of the header that say where the rest is.
type header struct {
	arch                                                      string
	free, total, tableOffset, tableSize, dataOffset, dataSize int64
}

func (h header) dataEnd() int64 { return h.dataOffset + h.dataSize }

func (c *checker) found(l Level, where, problem string, args ...any) {
	if len(c.report.Findings) == maxFindings {
		c.report.More++
		return
	}
	c.report.Findings = append(c.report.Findings, Finding{l, where, fmt.Sprintf(problem, args...)})
}

func (c *checker) check() error {
	ok, err := c.header()
	if !ok || err != nil {
		return err
	}
	if err := c.table(); err != nil {
		return err
	}
	c.counts()
	c.links()
	c.primary()
	return c.space()
}

// read reads n bytes, which lie in the file.
func (c *checker) read(off, n int64) ([]byte, error) {
	b := make([]byte, n)
	if got, err := c.r.ReadAt(b, off); int64(got) < n {
		return nil, fmt.Errorf("read %d bytes at byte %d: %w", n, off, cmp.Or(err, io.ErrUnexpectedEOF))
	}
	return b, nil
}

// header looks at the header, and says whether there is a table to look at.
func (c *checker) header() (ok bool, err error) {
	const where = "header"
	if c.size < headerSize {
		c.found(Unsound, where, "the file has %d bytes, less than the header's %d", c.size, headerSize)
		return false, nil
	}
	b, err := c.read(0, headerSize)
	if err != nil {
		return false, err
	}
	if string(b[:32]) != launchLine && !bytes.Equal(b[:32], make([]byte, 32)) {
		c.found(Odd, where, "the first line is %q", bytes.TrimRight(b[:32], "\x00"))
	}
	if m := b[32:42]; string(m) != "SIF_MAGIC\x00" {
		c.found(Unsound, where, "the magic is %q", m)
		return false, nil
	}
	if v := b[42:45]; string(v) != "01\x00" {
		c.found(Unsound, where, "the version is %q, not 01", bytes.TrimRight(v, "\x00"))
		return false, nil
	}
	n := func(off int) int64 { return int64(binary.LittleEndian.Uint64(b[off:])) }
	c.h = header{string(b[45:48]), n(80), n(88), n(96), n(104), n(112), n(120)}
	if archOf(b[45:48]) < 0 {
		c.found(Odd, where, "the architecture is %q", bytes.TrimRight(b[45:48], "\x00"))
	}
	return c.regions(), nil
}

// regions looks at where the table and the data are, and says whether the table
// can be read.
func (c *checker) regions() bool {
	const where = "header"
	h := c.h
	if h.total < 0 || h.total > maxDescriptors {
		c.found(Unsound, where, "%d descriptors are not from 0 to %d", h.total, maxDescriptors)
		return false
	}
	if h.free < 0 || h.free > h.total {
		c.found(Unsound, where, "%d of %d descriptors cannot be free", h.free, h.total)
	}
	if h.tableSize != h.total*descriptorSize {
		c.found(Unsound, where, "a table of %d descriptors has %d bytes, not %d", h.total, h.total*descriptorSize, h.tableSize)
	}
	tableEnd, ok := end(h.tableOffset, h.total*descriptorSize)
	if !ok || h.tableOffset < headerSize {
		c.found(Unsound, where, "the table cannot be at byte %d", h.tableOffset)
		return false
	}
	if tableEnd > c.size {
		c.found(Unsound, where, "the table ends at byte %d, the file at %d", tableEnd, c.size)
		return false
	}
	switch dataEnd, ok := end(h.dataOffset, h.dataSize); {
	case !ok:
		c.found(Unsound, where, "the data cannot be %d bytes at byte %d", h.dataSize, h.dataOffset)
	case h.dataOffset < tableEnd:
		c.found(Unsound, where, "the data begins at byte %d, in the table, which ends at %d", h.dataOffset, tableEnd)
	case dataEnd > c.size:
		c.found(Unsound, where, "the data ends at byte %d, the file at %d", dataEnd, c.size)
	}
	return true
}

// table reads the descriptors.
func (c *checker) table() error {
	table, err := c.read(c.h.tableOffset, c.h.total*descriptorSize)
	if err != nil {
		return err
	}
	for i := range int(c.h.total) {
		where, d := fmt.Sprintf("descriptor %d", i), table[i*descriptorSize:][:descriptorSize]
		switch used := d[4]; {
		case used == 1:
			c.objects = append(c.objects, parse(d))
			c.descriptor(where, c.objects[len(c.objects)-1])
		case used != 0:
			c.found(Unsound, where, "its flag in-use is %d, not 0 or 1", used)
		case !bytes.Equal(d, make([]byte, descriptorSize)):
			c.found(Odd, where, "it is not in use, but not empty")
		}
	}
	c.report.Objects, c.report.Free = len(c.objects), int(c.h.total)-len(c.objects)
	return nil
}

// counts compares the header with the table.
func (c *checker) counts() {
	if free := c.h.free; free != int64(c.report.Free) && free >= 0 && free <= c.h.total {
		c.found(Odd, "header", "%d descriptors are free, not %d", c.report.Free, c.h.free)
	}
	last := c.h.dataOffset
	for _, o := range c.objects {
		if end, ok := o.end(); ok {
			last = max(last, end)
		}
	}
	if end := c.h.dataEnd(); end != last {
		c.found(Odd, "header", "the last object ends at byte %d, the data at %d", last, end)
	}
}

// primary looks at the primary system partitions.
func (c *checker) primary() {
	var primaries []object
	for _, o := range c.objects {
		if o.kind == partition && o.part() == primarySystem {
			primaries = append(primaries, o)
		}
	}
	switch {
	case len(primaries) > 1:
		c.found(Unsound, "file", "it has %d primary system partitions", len(primaries))
	case len(primaries) == 0 && c.h.arch != "00\x00":
		c.found(Odd, "header", "the architecture is %s, but there is no primary system partition", archName(c.h.arch))
	case len(primaries) == 1 && string(primaries[0].extra[8:11]) != c.h.arch:
		c.found(Odd, "header", "the architecture is %s, that of %v is %s", archName(c.h.arch), primaries[0], archName(string(primaries[0].extra[8:11])))
	}
}

// links looks for ids that are not unique and for links to nothing.
func (c *checker) links() {
	ids, groups := map[uint32]bool{}, map[uint32]bool{}
	for _, o := range c.objects {
		if ids[o.id] {
			c.found(Unsound, o.String(), "another object has its id")
		}
		ids[o.id] = true
		if o.group != 0 {
			groups[o.group] = true
		}
	}
	for _, o := range c.objects {
		switch {
		case o.link == 0:
			if o.kind == signature {
				c.found(Odd, o.String(), "the signature is linked to nothing")
			}
		case o.linksGroup && !groups[o.link]:
			c.found(Odd, o.String(), "it is linked to group %d, which has no object", o.link)
		case !o.linksGroup && !ids[o.link]:
			c.found(Odd, o.String(), "it is linked to object %d, which does not exist", o.link)
		case !o.linksGroup && o.link == o.id:
			c.found(Odd, o.String(), "it is linked to itself")
		}
	}
}

// end returns offset + size unless one is negative or the sum overflows.
func end(offset, size int64) (int64, bool) {
	sum := offset + size
	return sum, offset >= 0 && size >= 0 && sum >= 0
}

// Err returns an error if there is any finding.
func (r *Report) Err() error {
	n := len(r.Findings) + r.More
	switch {
	case n == 0:
		return nil
	case n == 1:
		return errors.New("1 thing is wrong with its layout")
	}
	return fmt.Errorf("%d things are wrong with its layout", n)
}
