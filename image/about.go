package image

import (
	"fmt"
	"path/filepath"
)

// About tells which image it is, in words for its user.
func (f *File) About() string {
	text := fmt.Sprintf("the image is %s, %s", f.Info().Title(filepath.Clean), f.Kind())
	if f.Arch() != "" {
		text += " for " + f.Arch()
	}
	if f.Encrypted() {
		text += ", encrypted"
	}
	return text
}
