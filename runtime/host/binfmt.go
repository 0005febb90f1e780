package host

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// elfHeader is what tells the architectures of programs apart, as elf(5) has
// it.
type elfHeader struct {
	class   elf.Class
	data    elf.Data
	machine elf.Machine
}

// headers are those of Linux programs by the Go name of the architecture.
var headers = map[string]elfHeader{
	"386":      {elf.ELFCLASS32, elf.ELFDATA2LSB, elf.EM_386},
	"amd64":    {elf.ELFCLASS64, elf.ELFDATA2LSB, elf.EM_X86_64},
	"arm":      {elf.ELFCLASS32, elf.ELFDATA2LSB, elf.EM_ARM},
	"arm64":    {elf.ELFCLASS64, elf.ELFDATA2LSB, elf.EM_AARCH64},
	"loong64":  {elf.ELFCLASS64, elf.ELFDATA2LSB, elf.EM_LOONGARCH},
	"mips64le": {elf.ELFCLASS64, elf.ELFDATA2LSB, elf.EM_MIPS},
	"ppc64le":  {elf.ELFCLASS64, elf.ELFDATA2LSB, elf.EM_PPC64},
	"riscv64":  {elf.ELFCLASS64, elf.ELFDATA2LSB, elf.EM_RISCV},
	"s390x":    {elf.ELFCLASS64, elf.ELFDATA2MSB, elf.EM_S390},
}

// Architectures returns the Go names of those that programs are known of.
func Architectures() []string {
	var names []string
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Emulator is a program that the kernel starts for those of another
// architecture (admin-guide/binfmt-misc of the kernel).
type Emulator struct {
	// Path is the program's.
	Path string
	// Open says that the kernel holds the program open, so that it works where
	// its path leads nowhere: in a container.
	Open bool
}

// FindEmulator returns the emulator for programs of the architecture arch, by
// its Go name. The one that works in containers is preferred. root is the
// host's file tree.
func FindEmulator(root fs.FS, arch string) (e Emulator, found bool) {
	const dir = "proc/sys/fs/binfmt_misc"
	header, ok := headers[arch]
	entries, err := fs.ReadDir(root, dir)
	if !ok || err != nil {
		return e, false // what is not mounted emulates nothing
	}
	for _, entry := range entries {
		text, err := fs.ReadFile(root, path.Join(dir, entry.Name()))
		if err != nil {
			continue // "register" can only be written
		}
		r := parseRule(string(text))
		if r.matches(header.bytes()) && (!found || r.Open) {
			e, found = r.Emulator, true
		}
	}
	return e, found
}

// bytes is the start of an executable file, up to the architecture.
func (h elfHeader) bytes() []byte {
	b := append([]byte(elf.ELFMAG), byte(h.class), byte(h.data), byte(elf.EV_CURRENT))
	b = append(b, make([]byte, elf.EI_NIDENT-len(b))...)
	var order binary.AppendByteOrder = binary.LittleEndian
	if h.data == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	return order.AppendUint16(order.AppendUint16(b, uint16(elf.ET_EXEC)), uint16(h.machine))
}

// rule is a file in binfmt_misc.
type rule struct {
	Emulator
	enabled     bool
	offset      int
	magic, mask []byte
}

func parseRule(text string) rule {
	var r rule
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "enabled":
			r.enabled = true
		case "interpreter":
			r.Path = value
		case "flags:":
			r.Open = strings.Contains(value, "F")
		case "offset":
			r.offset, _ = strconv.Atoi(value)
		case "magic":
			r.magic, _ = hex.DecodeString(value)
		case "mask":
			r.mask, _ = hex.DecodeString(value)
		}
	}
	return r
}

// matches says whether the rule is for a file that starts with head. Bits
// outside the mask do not count.
func (r rule) matches(head []byte) bool {
	if !r.enabled || r.Path == "" || len(r.magic) == 0 || r.offset < 0 || r.offset+len(r.magic) > len(head) {
		return false
	}
	part := slices.Clone(head[r.offset : r.offset+len(r.magic)])
	want := slices.Clone(r.magic)
	for i, m := range r.mask {
		if i < len(part) {
			part[i] &= m
			want[i] &= m
		}
	}
	return bytes.Equal(part, want)
}
