package sif

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Attach adds objects that belong to the object to, which must be in a group, to the
// image in f, with the given time, as Add does.
func Attach(ctx context.Context, f *os.File, to Object, at time.Time, list []Attachment) error {
	if to.Group == 0 {
		return fmt.Errorf("sif: %v is in no group", to)
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	have, err := Open(f, st.Size())
	if err != nil {
		return err
	}
	if free := have.Free(); free < len(list) {
		return hint.New(fmt.Sprintf("sif: its table has room for %d more objects; %d are to be added", free, len(list)),
			"build the image again")
	}
	inputs, err := attachments(list, to.ID, to.Group, at)
	if err != nil {
		return err
	}
	return Add(ctx, f, func(c *Container) error {
		for _, in := range inputs {
			if err := c.AddObject(in, sif.OptAddWithTime(at)); err != nil {
				return err
			}
		}
		return nil
	})
}

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
