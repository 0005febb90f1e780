package plan

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// The wire form is a run of fields, each ended by a NUL. A record is a word,
// the decimal number of its arguments, and the arguments. The first record is
// the format's name and version, the last is end: a plan cut short, because
// its sender died, is never mistaken for a whole one.
//
//	sealift-plan 1
//	clone NAMESPACE...            user mount pid uts ipc net, in this order
//	uidmap INSIDE OUTSIDE SIZE    gidmap likewise, any number of each
//	image VERB ARG...             Plan.Image
//	VERB ARG...                   Plan.Ops
//	init                          Process.Init
//	umask OCTAL                   unless the caller's is kept
//	closefds KEPT...              Process.CloseFDs
//	env NAME=VALUE                one each
//	cwd DIR...
//	exec ARG...
//	end
const (
	wordMagic    = "sealift-plan"
	wordVersion  = "1"
	wordClone    = "clone"
	wordUIDMap   = "uidmap"
	wordGIDMap   = "gidmap"
	wordImage    = "image"
	wordInit     = "init"
	wordUmask    = "umask"
	wordCloseFDs = "closefds"
	wordEnv      = "env"
	wordCwd      = "cwd"
	wordExec     = "exec"
	wordEnd      = "end"
)

// ErrSyntax is the error, perhaps wrapped, of every plan that Parse refuses.
var ErrSyntax = errors.New("malformed plan")

// Encode returns the wire form of p. It is an error when a string holds a NUL,
// a verb is unknown or has the wrong number of arguments, or there is no
// command.
func Encode(p *Plan) ([]byte, error) {
	if err := check(p); err != nil {
		return nil, err
	}
	out := appendRecord(nil, []string{wordMagic, wordVersion})
	for _, r := range records(p) {
		for _, field := range r {
			if strings.IndexByte(field, 0) >= 0 {
				return nil, errors.New("plan: NUL byte in an argument of " + r[0])
			}
		}
		out = appendRecord(out, r)
	}
	return appendRecord(out, []string{wordEnd}), nil
}

func appendRecord(out []byte, r []string) []byte {
	out = append(append(out, r[0]...), 0)
	out = append(strconv.AppendInt(out, int64(len(r)-1), 10), 0)
	for _, arg := range r[1:] {
		out = append(append(out, arg...), 0)
	}
	return out
}

// check says whether p is something the starter can execute.
func check(p *Plan) error {
	for _, op := range p.Ops {
		if op.Verb.arity() != len(op.Args) {
			return errors.New("plan: unknown verb or wrong number of arguments: " + op.String())
		}
	}
	for _, op := range p.Image {
		if !op.Verb.inImage() || op.Verb.arity() != len(op.Args) {
			return errors.New("plan: not an operation on the image: " + op.String())
		}
	}
	pr := &p.Process
	if len(pr.Args) == 0 || pr.Args[0] == "" {
		return errors.New("plan: no command")
	}
	if pr.Umask < -1 || pr.Umask > 0o777 {
		return errors.New("plan: impossible umask")
	}
	if len(pr.KeepFDs) > 0 && (!pr.CloseFDs || slices.Min(pr.KeepFDs) < 0) {
		return errors.New("plan: impossible descriptors to keep")
	}
	return nil
}

// arity returns the number of arguments of v, or -1 when v is no verb.
func (v Verb) arity() int {
	switch v {
	case Pivot:
		return 0
	case Umount, Hostname, Dropcaps:
		return 1
	case Session, Fuse, Mkdir, Mkfile, Symlink:
		return 2
	case Bind, Write:
		return 3
	case Mount:
		return 4
	case Overlay:
		return 5
	}
	return -1
}

func (v Verb) inImage() bool {
	return v == Mkdir || v == Mkfile || v == Write || v == Symlink
}

// records returns the lines of p, without the first and the last.
func records(p *Plan) [][]string {
	out := make([][]string, 0, 16+len(p.Image)+len(p.Ops)+len(p.Process.Env))
	clone := []string{wordClone}
	for _, n := range p.Clone.namespaces() {
		if *n.on {
			clone = append(clone, n.name)
		}
	}
	out = append(out, clone)
	for _, m := range p.Clone.UIDs {
		out = append(out, m.record(wordUIDMap))
	}
	for _, m := range p.Clone.GIDs {
		out = append(out, m.record(wordGIDMap))
	}
	for _, op := range p.Image {
		out = append(out, append([]string{wordImage, string(op.Verb)}, op.Args...))
	}
	for _, op := range p.Ops {
		out = append(out, op.record())
	}
	return append(out, p.Process.records()...)
}

func (o Op) record() []string { return append([]string{string(o.Verb)}, o.Args...) }

func (m IDMap) record(word string) []string {
	u := func(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
	return []string{word, u(m.Inside), u(m.Outside), u(m.Size)}
}

func (pr *Process) records() [][]string {
	var out [][]string
	if pr.Init {
		out = append(out, []string{wordInit})
	}
	if pr.Umask >= 0 {
		out = append(out, []string{wordUmask, strconv.FormatInt(int64(pr.Umask), 8)})
	}
	if pr.CloseFDs {
		r := []string{wordCloseFDs}
		for _, fd := range pr.KeepFDs {
			r = append(r, strconv.Itoa(fd))
		}
		out = append(out, r)
	}
	for _, e := range pr.Env {
		out = append(out, []string{wordEnv, e})
	}
	if len(pr.Dirs) > 0 {
		out = append(out, append([]string{wordCwd}, pr.Dirs...))
	}
	return append(out, append([]string{wordExec}, pr.Args...))
}

type namespace struct {
	name string
	on   *bool
}

func (c *Clone) namespaces() [6]namespace {
	return [6]namespace{
		{"user", &c.User}, {"mount", &c.Mount}, {"pid", &c.PID},
		{"uts", &c.UTS}, {"ipc", &c.IPC}, {"net", &c.Net},
	}
}

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
	if len(args) != 3 {
		return IDMap{}, ErrSyntax
	}
	var n [3]uint32
	for i, a := range args {
		v, err := strconv.ParseUint(a, 10, 32)
		if err != nil {
			return IDMap{}, ErrSyntax
		}
		n[i] = uint32(v)
	}
	return IDMap{Inside: n[0], Outside: n[1], Size: n[2]}, nil
}

// some returns s, or nil when it is empty, as Do does.
func some(s []string) []string {
	if len(s) == 0 {
		return nil
	}
	return s
}
