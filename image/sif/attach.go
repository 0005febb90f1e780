package sif

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Attach adds objects that belong to the object to, which must be in a group, to the image in f,
// at its end, with the given time. It changes f in place and not all at once, so f must be a copy
// that nothing uses yet.
func Attach(f *os.File, to Object, at time.Time, list []Attachment) error {
	if err := attach(f, to, at, list); err != nil {
		return fmt.Errorf("write SIF image: %w", err)
	}
	return nil
}

func attach(f *os.File, to Object, at time.Time, list []Attachment) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	have, err := Open(f, st.Size()) // the library trusts what it loads
	if err != nil {
		return err
	}
	if free := have.h.free; free < int64(len(list)) {
		return hint.New(fmt.Sprintf("its table has room for %d more objects; %d are to be added", free, len(list)),
			"build the image again")
	}
	if to.Group == 0 {
		return fmt.Errorf("%v is in no group", to)
	}
	inputs, err := attachments(list, to.ID, to.Group, at)
	if err != nil {
		return err
	}
	img, err := sif.LoadContainer(f, sif.OptLoadWithCloseOnUnload(false))
	if err != nil {
		return err
	}
	for _, in := range inputs {
		if err := img.AddObject(in, sif.OptAddWithTime(at)); err != nil {
			return errors.Join(err, img.UnloadContainer())
		}
	}
	if err := img.UnloadContainer(); err != nil {
		return err
	}
	if st, err = f.Stat(); err != nil {
		return err
	}
	_, err = Open(f, st.Size()) // ids that the library chose may be taken
	return err
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
