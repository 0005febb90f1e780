package perm

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sealift/sealift/image/tree"
)

// Change is what --chmod does, one clause after the other.
type Change []clause

// clause changes the bits of who: it sets them to, adds or removes perms, or
// what copied (u, g or o) has. X in perms makes searchable directories and what
// is executable already executable.
type clause struct {
	who    uint32
	op     byte // '=', '+' or '-'
	perms  uint32
	copied byte
	search bool // X
}

// The bits of the mode by the letters of chmod(1).
const (
	userBits, groupBits, otherBits uint32 = 0o4700, 0o2070, 0o1007
	allBits                        uint32 = 0o7777
)

// ParseChange reads an octal or a symbolic mode, as of chmod(1); empty changes
// nothing.
func ParseChange(text string) (Change, error) {
	if text == "" {
		return nil, nil
	}
	if octal, err := strconv.ParseUint(text, 8, 32); err == nil {
		if octal > uint64(allBits) {
			return nil, fmt.Errorf("--chmod=%s; expected at most 7777", text)
		}
		return Change{{who: allBits, op: '=', perms: uint32(octal)}}, nil
	}
	var change Change
	for part := range strings.SplitSeq(text, ",") {
		at := strings.IndexAny(part, "=+-")
		if at < 0 {
			return nil, fmt.Errorf("--chmod=%s; expected clauses such as u=rwX", text)
		}
		who, ok := whoOf(part[:at])
		if !ok {
			return nil, fmt.Errorf("--chmod=%s; expected u, g, o and a before %c", text, part[at])
		}
		for rest := part[at:]; rest != ""; {
			end := strings.IndexAny(rest[1:], "=+-")
			if end < 0 {
				end = len(rest) - 1
			}
			c, ok := newClause(who, rest[0], rest[1:end+1])
			if !ok {
				return nil, fmt.Errorf("--chmod=%s; expected letters of rwxXst, or one of u, g and o, after %c", text, rest[0])
			}
			change = append(change, c)
			rest = rest[end+1:]
		}
	}
	return change, nil
}

// whoOf returns the bits of those named, all for nobody, and whether there are
// such.
func whoOf(letters string) (who uint32, ok bool) {
	for _, l := range letters {
		switch l {
		case 'u':
			who |= userBits
		case 'g':
			who |= groupBits
		case 'o':
			who |= otherBits
		case 'a':
			who |= allBits
		default:
			return 0, false
		}
	}
	if who == 0 {
		who = allBits
	}
	return who, true
}

// newClause returns a clause, and whether its letters are of one.
func newClause(who uint32, op byte, letters string) (c clause, ok bool) {
	c = clause{who: who, op: op}
	if letters == "u" || letters == "g" || letters == "o" {
		c.copied = letters[0]
		return c, true
	}
	for i := range len(letters) {
		switch letters[i] {
		case 'r':
			c.perms |= 0o444
		case 'w':
			c.perms |= 0o222
		case 'x':
			c.perms |= 0o111
		case 's':
			c.perms |= 0o6000
		case 't':
			c.perms |= 0o1000
		case 'X':
			c.search = true
		default:
			return c, false
		}
	}
	return c, true
}

// Apply returns a mode with its type. Symbolic links keep theirs.
func (m Change) Apply(mode uint32) uint32 {
	if mode&tree.TypeMask == tree.TypeSymlink {
		return mode
	}
	for _, c := range m {
		perms := c.perms
		if c.search && (mode&tree.TypeMask == tree.TypeDir || mode&0o111 != 0) {
			perms |= 0o111
		}
		if c.copied != 0 {
			shift := map[byte]uint32{'u': 6, 'g': 3, 'o': 0}[c.copied]
			perms |= (mode >> shift & 7) * 0o111
		}
		perms &= c.who
		switch c.op {
		case '=':
			mode = mode&^c.who | perms
		case '+':
			mode |= perms
		case '-':
			mode &^= perms
		}
	}
	return mode
}
