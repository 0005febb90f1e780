package format

import (
	"errors"
	"fmt"
)

// ErrCorrupt is wrapped by every error that is an image's fault.
var ErrCorrupt = errors.New("squashfs image is damaged")

// Corrupt returns an error that wraps ErrCorrupt and says where and what, in
// the manner of fmt.Errorf.
func Corrupt(text string, args ...any) error {
	return fmt.Errorf("%w: "+text, append([]any{ErrCorrupt}, args...)...)
}
