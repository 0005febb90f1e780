package table

import (
	"encoding/binary"
	"fmt"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/squashfs/format"
)

// idTable numbers the distinct user and group ids.
type idTable struct {
	index map[uint32]uint16
	ids   []uint32
}

func (t *idTable) add(id uint32) (uint16, error) {
	if i, ok := t.index[id]; ok {
		return i, nil
	}
	if len(t.ids) == format.MaxIDs {
		err := fmt.Errorf("id %d is one more than the %d distinct user and group ids an image can hold",
			id, format.MaxIDs)
		return 0, hint.Wrap(err, "give the files fewer owners and groups (chown, chgrp)")
	}
	if t.index == nil {
		t.index = map[uint32]uint16{}
	}
	i := uint16(len(t.ids))
	t.index[id] = i
	t.ids = append(t.ids, id)
	return i, nil
}

func (t *idTable) bytes() []byte {
	var b []byte
	for _, id := range t.ids {
		b = binary.LittleEndian.AppendUint32(b, id)
	}
	return b
}
