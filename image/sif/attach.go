package sif

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/buildcfg/hint"
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

// Lock keeps other processes from changing the image in f. File systems without
// locks are used without. Unlocking ends a lock that f had before, too: flock(2).
func Lock(f *os.File) (unlock func(), err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, hint.New("another process changes the image", "try again when it has ended")
	}
	if err != nil {
		return func() {}, nil
	}
	return func() { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }, nil
}
