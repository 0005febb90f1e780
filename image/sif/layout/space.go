package layout

import (
	"bytes"
	"cmp"
	"slices"
)

// space looks for bytes that two objects share and for those that none holds.
func (c *checker) space() error {
	var sound []object
	for _, o := range c.objects {
		if end, ok := o.end(); ok && end <= c.size && o.offset >= c.tableEnd() {
			sound = append(sound, o)
		}
	}
	slices.SortFunc(sound, func(a, b object) int { return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.size, b.size)) })
	at, before := max(c.h.dataOffset, c.tableEnd()), object{}
	for _, o := range sound {
		if o.offset < at && before.id != 0 {
			c.found(Unsound, o.String(), "it overlaps with %v", before)
		}
		if err := c.gap(at, o.offset, "before "+o.String()); err != nil {
			return err
		}
		if end := o.offset + o.size; end > at {
			at, before = end, o
		}
	}
	if n := c.size - at; n > 0 {
		c.found(Odd, "file", "%d bytes at the end, from byte %d on, belong to no object", n, at)
	}
	return nil
}

func (c *checker) tableEnd() int64 { return c.h.tableOffset + c.h.total*descriptorSize }

// gap looks at what is between objects: zeros, less than a page of them, are
// there to align.
func (c *checker) gap(from, to int64, where string) error {
	n := to - from
	if n <= 0 {
		return nil
	}
	if n >= page {
		c.found(Odd, where, "%d bytes from byte %d on belong to no object", n, from)
		return nil
	}
	b, err := c.read(from, n)
	if err == nil && !bytes.Equal(b, make([]byte, n)) {
		c.found(Odd, where, "the %d bytes from byte %d on are not zero and belong to no object", n, from)
	}
	return err
}
