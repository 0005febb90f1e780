package seccomp

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// MaxProgram is the most instructions that the kernel takes (BPF_MAXINSNS in
// linux/bpf_common.h).
const MaxProgram = 4096

// digits is the length of an instruction's text.
const digits = 16

// FormatProgram returns p as text: 16 hexadecimal digits for each instruction, 4
// of the code, 2 of each jump, 8 of the operand.
func FormatProgram(p []unix.SockFilter) string {
	var b strings.Builder
	for _, i := range p {
		word := uint64(i.Code)<<48 | uint64(i.Jt)<<40 | uint64(i.Jf)<<32 | uint64(i.K)
		text := strconv.FormatUint(word, 16)
		b.WriteString(strings.Repeat("0", digits-len(text)) + text)
	}
	return b.String()
}

// ErrProgram is the error of every text that ParseProgram refuses.
var ErrProgram = errors.New("malformed filter")

// ParseProgram is the inverse of FormatProgram. Whether the program makes sense
// is for the kernel to say.
func ParseProgram(text string) ([]unix.SockFilter, error) {
	if len(text) == 0 || len(text)%digits != 0 || len(text) > digits*MaxProgram {
		return nil, ErrProgram
	}
	p := make([]unix.SockFilter, len(text)/digits)
	for n := range p {
		word, err := strconv.ParseUint(text[n*digits:(n+1)*digits], 16, 64)
		if err != nil {
			return nil, ErrProgram
		}
		p[n] = unix.SockFilter{Code: uint16(word >> 48), Jt: uint8(word >> 40), Jf: uint8(word >> 32), K: uint32(word)}
	}
	return p, nil
}

// ParseFlags reads words joined by commas: log and spec_allow (seccomp(2)), and
// now, which is for the caller.
func ParseFlags(words string) (flags uintptr, now bool, err error) {
	for word := range strings.SplitSeq(words, ",") {
		switch word {
		case "log":
			flags |= unix.SECCOMP_FILTER_FLAG_LOG
		case "spec_allow":
			flags |= unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
		case "now":
			now = true
		default:
			if words != "" {
				return 0, false, ErrProgram
			}
		}
	}
	return flags, now, nil
}
