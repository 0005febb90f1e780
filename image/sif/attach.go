package sif

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/sylabs/sif/v2/pkg/sif"
)

// attachments describes objects that belong to the object with the id.
func attachments(list []Attachment, id, group uint32, at time.Time) ([]sif.DescriptorInput, error) {
	var inputs []sif.DescriptorInput
	for _, a := range list {
		in, err := sif.NewDescriptorInput(sif.DataGeneric, &lazy{data: a.Data}, sif.OptObjectName(a.Name),
			sif.OptLinkedID(id), sif.OptGroupID(group), sif.OptObjectTime(at))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.Name, err)
		}
		inputs = append(inputs, in)
	}
	return inputs, nil
}

// lazy is a reader of bytes that are known when the first of them is read.
type lazy struct {
	data func() ([]byte, error)
	r    io.Reader
}

func (l *lazy) Read(p []byte) (int, error) {
	if l.r == nil {
		b, err := l.data()
		if err != nil {
			return 0, err
		}
		l.r = bytes.NewReader(b)
	}
	return l.r.Read(p)
}
