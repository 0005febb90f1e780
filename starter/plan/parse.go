package plan

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Parse is the inverse of Encode and accepts nothing that Encode does not
// write. Its memory is bounded by a small multiple of len(data).
func Parse(data []byte) (*Plan, error) {
	p := &Plan{Process: Process{Umask: -1}}
	rest, r, err := nextRecord(string(data))
	if err != nil || !slices.Equal(r, []string{wordMagic, wordVersion}) {
		return nil, ErrSyntax
	}
	for {
		if rest, r, err = nextRecord(rest); err != nil {
			return nil, err
		}
		if r[0] == wordEnd {
			break
		}
		if err := p.add(r[0], r[1:]); err != nil {
			return nil, err
		}
	}
	// Encoding again refuses, in one stroke, whatever the loop let pass: other
	// spellings of numbers, repeated or misplaced records, trailing bytes.
	again, err := Encode(p)
	if err != nil {
		return nil, errors.Join(ErrSyntax, err)
	}
	if !bytes.Equal(again, data) {
		return nil, ErrSyntax
	}
	return p, nil
}

// nextRecord splits the first record off s. The number of arguments is checked
// against the length of what is left before anything is allocated for it.
func nextRecord(s string) (rest string, record []string, err error) {
	word, s, ok := strings.Cut(s, "\x00")
	count, s, ok2 := strings.Cut(s, "\x00")
	n, err := strconv.Atoi(count)
	if !ok || !ok2 || err != nil || n < 0 || n > len(s) {
		return "", nil, ErrSyntax
	}
	record = make([]string, n+1)
	record[0] = word
	for i := range n {
		if record[i+1], s, ok = strings.Cut(s, "\x00"); !ok {
			return "", nil, ErrSyntax
		}
	}
	return s, record, nil
}

func (p *Plan) add(word string, args []string) error {
	switch word {
	case wordClone:
		for _, n := range p.Clone.namespaces() {
			*n.on = slices.Contains(args, n.name)
		}
	case wordUIDMap, wordGIDMap:
		m, err := parseIDMap(args)
		if err != nil {
			return err
		}
		if word == wordUIDMap {
			p.Clone.UIDs = append(p.Clone.UIDs, m)
		} else {
			p.Clone.GIDs = append(p.Clone.GIDs, m)
		}
	case wordNetPath:
		p.Clone.NetPath = strings.Join(args, " ")
	case wordCaps:
		p.Clone.Caps = strings.Join(args, " ")
	case wordHelper:
		p.Helper = append(p.Helper, args...)
	case wordImage:
		if len(args) == 0 {
			return ErrSyntax
		}
		p.Image = append(p.Image, Op{Verb(args[0]), some(args[1:])})
	default:
		if Verb(word).arity() >= 0 {
			p.Ops = append(p.Ops, Op{Verb(word), some(args)})
			return nil
		}
		return p.Process.add(word, args)
	}
	return nil
}

func (pr *Process) add(word string, args []string) error {
	switch word {
	case wordInit:
		pr.Init = true
	case wordStay:
		pr.Stay = true
	case wordHold:
		pr.Hold, pr.Meet = true, strings.Join(args, " ")
	case wordUser:
		ids, err := parseIDs(args)
		if err != nil || len(ids) < 2 {
			return ErrSyntax
		}
		pr.User = &User{ids[0], ids[1], some(ids[2:])}
	case wordMounter:
		if len(args) < 2 {
			return ErrSyntax
		}
		pr.Mounters = append(pr.Mounters, Mounter{args[0], args[1:]})
	case wordUmask:
		mask, err := strconv.ParseUint(strings.Join(args, " "), 8, 9)
		if err != nil {
			return ErrSyntax
		}
		pr.Umask = int(mask)
	case wordCloseFDs:
		pr.CloseFDs = true
		for _, a := range args {
			fd, err := strconv.Atoi(a)
			if err != nil {
				return ErrSyntax
			}
			pr.KeepFDs = append(pr.KeepFDs, fd)
		}
	case wordEnv:
		pr.Env = append(pr.Env, args...)
	case wordCwd:
		pr.Dirs = append(pr.Dirs, args...)
	case wordExec:
		pr.Args = append(pr.Args, args...)
	default:
		return ErrSyntax
	}
	return nil
}

func parseIDMap(args []string) (IDMap, error) {
	n, err := parseIDs(args)
	if err != nil || len(n) != 3 {
		return IDMap{}, ErrSyntax
	}
	return IDMap{Inside: n[0], Outside: n[1], Size: n[2]}, nil
}

func parseIDs(args []string) ([]uint32, error) {
	ids := make([]uint32, len(args))
	for i, a := range args {
		v, err := strconv.ParseUint(a, 10, 32)
		if err != nil {
			return nil, ErrSyntax
		}
		ids[i] = uint32(v)
	}
	return ids, nil
}

// some returns s, or nil when it is empty, as Do does.
func some[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return s
}
