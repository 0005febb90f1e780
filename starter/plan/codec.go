package plan

import (
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
//	netns PATH                    Clone.NetPath
//	caps NAMES                    Clone.Caps
//	helper ARG...                 Plan.Helper
//	image VERB ARG...             Plan.Image
//	VERB ARG...                   Plan.Ops
//	init                          Process.Init
//	stay                          Process.Stay
//	hold DIR                      Process.Hold, Meet
//	user UID GID GROUP...         Process.User
//	mounter TARGET ARG...         Process.Mounters
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
	wordNetPath  = "netns"
	wordCaps     = "caps"
	wordHelper   = "helper"
	wordImage    = "image"
	wordInit     = "init"
	wordStay     = "stay"
	wordHold     = "hold"
	wordUser     = "user"
	wordMounter  = "mounter"
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
	if p.Has(Emulate) && (!p.Process.Init || p.Has(Seccomp)) {
		return errors.New("plan: emulation without init, or with another filter")
	}
	if p.Clone.Net && p.Clone.NetPath != "" || len(p.Helper) > 0 && !p.Clone.Net {
		return errors.New("plan: impossible network")
	}
	for _, op := range p.Image {
		if !op.Verb.inImage() || op.Verb.arity() != len(op.Args) {
			return errors.New("plan: not an operation on the image: " + op.String())
		}
	}
	pr := &p.Process
	if pr.Stay && !pr.Init {
		return errors.New("plan: nothing stays without init")
	}
	if pr.Hold && (pr.Init || len(pr.Args) > 0) || !pr.Hold && pr.Meet != "" {
		return errors.New("plan: what holds runs nothing")
	}
	if len(pr.Args) == 0 && !pr.Stay && !pr.Hold || len(pr.Args) > 0 && pr.Args[0] == "" {
		return errors.New("plan: no command")
	}
	if pr.Umask < -1 || pr.Umask > 0o777 {
		return errors.New("plan: impossible umask")
	}
	if n := len(pr.Mounters); n != p.kept() || n > 0 && (!pr.Init || p.Late()) {
		return errors.New("plan: mounters without descriptor or init, or with a filter")
	}
	if len(pr.KeepFDs) > 0 && (!pr.CloseFDs || slices.Min(pr.KeepFDs) < 0) {
		return errors.New("plan: impossible descriptors to keep")
	}
	return nil
}

// kept counts the descriptors that are for mounters.
func (p *Plan) kept() (n int) {
	for _, op := range p.Ops {
		if op.Verb == Fuse && slices.Contains(strings.Split(op.Args[1], ","), "keep") {
			n++
		}
	}
	return n
}

// arity returns the number of arguments of v, or -1 when v is no verb.
func (v Verb) arity() int {
	switch v {
	case Pivot, Network:
		return 0
	case Fill, Umount, Hostname, Dropcaps, Limitcaps, Raisecaps:
		return 1
	case Session, Fuse, Mkdir, Mkfile, Symlink, Emulate, Label, Seccomp:
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
	if p.Clone.NetPath != "" {
		out = append(out, []string{wordNetPath, p.Clone.NetPath})
	}
	if p.Clone.Caps != "" {
		out = append(out, []string{wordCaps, p.Clone.Caps})
	}
	if len(p.Helper) > 0 {
		out = append(out, append([]string{wordHelper}, p.Helper...))
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

func (m IDMap) record(word string) []string { return idRecord(word, m.Inside, m.Outside, m.Size) }

func idRecord(word string, ids ...uint32) []string {
	record := []string{word}
	for _, id := range ids {
		record = append(record, strconv.FormatUint(uint64(id), 10))
	}
	return record
}

func (pr *Process) records() [][]string {
	var out [][]string
	if pr.Init {
		out = append(out, []string{wordInit})
	}
	if pr.Stay {
		out = append(out, []string{wordStay})
	}
	if pr.Hold {
		out = append(out, []string{wordHold, pr.Meet})
	}
	if u := pr.User; u != nil {
		out = append(out, idRecord(wordUser, append([]uint32{u.UID, u.GID}, u.Groups...)...))
	}
	for _, m := range pr.Mounters {
		out = append(out, append([]string{wordMounter, m.Target}, m.Args...))
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
