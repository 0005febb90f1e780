package images

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
)

// alreadySo are options of mksquashfs(1) that ask for nothing new.
var alreadySo = []string{"-noappend", "-no-progress", "-quiet", "-no-recovery", "-exit-on-error"}

// Mksquashfs takes over what a command line of mksquashfs(1) says of the
// format, and returns how many processors it names, 0 for all.
func (f *Format) Mksquashfs(line string) (processors int, err error) {
	words := strings.Fields(line)
	level := ""
	for i := 0; i < len(words); i++ {
		option := words[i]
		if slices.Contains(alreadySo, option) {
			continue
		}
		if !slices.Contains([]string{"-comp", "-b", "-processors", "-Xcompression-level"}, option) {
			return 0, hint.New(fmt.Sprintf("--mksquashfs-args: %s cannot be had", option),
				"leave it out; -comp, -b, -processors and -Xcompression-level can be had")
		}
		if i++; i == len(words) {
			return 0, hint.New(fmt.Sprintf("--mksquashfs-args: %s without a value", option), "give it one")
		}
		switch value := words[i]; option {
		case "-comp":
			f.compression = value
		case "-b":
			f.blockSize, err = size(value)
		case "-processors":
			processors, err = strconv.Atoi(value)
			if err == nil && processors < 1 {
				err = fmt.Errorf("%d is less than 1", processors)
			}
		default:
			level = ":" + value
		}
		if err != nil {
			return 0, fmt.Errorf("--mksquashfs-args: %s: %w", option, err)
		}
	}
	f.compression += level
	return processors, nil
}

func size(text string) (s ui.Size, err error) {
	err = s.Set(text)
	return s, err
}
