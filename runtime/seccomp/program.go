package seccomp

import "golang.org/x/sys/unix"

// Offsets in struct seccomp_data (linux/seccomp.h), on a little-endian machine.
const (
	offNr   = 0
	offArch = 4
	offArgs = 16
)

// operators of conditions on arguments.
var operators = map[string]func(b *builder, c argument){
	"SCMP_CMP_EQ": (*builder).equal,
	"SCMP_CMP_NE": (*builder).unequal,
	"SCMP_CMP_GT": func(b *builder, c argument) { b.greater(c, unix.BPF_JGT, pass, fail) },
	"SCMP_CMP_GE": func(b *builder, c argument) { b.greater(c, unix.BPF_JGE, pass, fail) },
	"SCMP_CMP_LE": func(b *builder, c argument) { b.greater(c, unix.BPF_JGT, fail, pass) },
	"SCMP_CMP_LT": func(b *builder, c argument) { b.greater(c, unix.BPF_JGE, fail, pass) },
	opMasked:      (*builder).masked,
}

const opMasked = "SCMP_CMP_MASKED_EQ"

// Jumps whose distance is not known yet: to the end of the condition, which is
// met, and to the end of the clause, which is not.
const (
	pass = 254
	fail = 255
)

// builder collects instructions (bpf(4), networking/filter.rst of the kernel).
type builder struct {
	code   []unix.SockFilter
	tooFar bool // a jump within a clause has no room
}

func (b *builder) emit(code uint16, k uint32, yes, no uint8) {
	b.code = append(b.code, unix.SockFilter{Code: code, Jt: yes, Jf: no, K: k})
}

// load loads the word at off.
func (b *builder) load(off uint32) { b.emit(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, off, 0, 0) }

// half loads the upper (1) or lower (0) half of an argument.
func (b *builder) half(arg uint, upper uint32) { b.load(offArgs + 8*uint32(arg) + 4*upper) }

// jump compares the loaded word with k and skips yes or no instructions.
func (b *builder) jump(op uint16, k uint32, yes, no uint8) {
	b.emit(unix.BPF_JMP|op|unix.BPF_K, k, yes, no)
}

// skip jumps over n instructions.
func (b *builder) skip(n int) { b.emit(unix.BPF_JMP|unix.BPF_JA, uint32(n), 0, 0) }

func (b *builder) ret(action uint32) { b.emit(unix.BPF_RET|unix.BPF_K, action, 0, 0) }

// unless runs body, which ends the program, if the loaded word is k.
func (b *builder) unless(k uint32, body []unix.SockFilter) {
	b.jump(unix.BPF_JEQ, k, 1, 0)
	b.skip(len(body))
	b.code = append(b.code, body...)
}

// tree finds the loaded number among segments, by halving, and decides.
func (b *builder) tree(segments []segment) {
	if len(segments) == 1 {
		b.verdict(&segments[0].verdict)
		return
	}
	middle := len(segments) / 2
	var low builder
	low.tree(segments[:middle])
	if n := len(low.code); n <= 255 {
		b.jump(unix.BPF_JGE, segments[middle].first, uint8(n), 0)
	} else {
		b.jump(unix.BPF_JGE, segments[middle].first, 0, 1)
		b.skip(n)
	}
	b.code, b.tooFar = append(b.code, low.code...), b.tooFar || low.tooFar
	b.tree(segments[middle:])
}

func (b *builder) verdict(v *verdict) {
	for _, c := range v.clauses {
		b.clause(c)
	}
	b.ret(v.action)
}

// clause returns the clause's action if its conditions are met.
func (b *builder) clause(c clause) {
	start := len(b.code)
	for _, condition := range c.conditions {
		from := len(b.code)
		operators[condition.Op](b, condition)
		b.resolve(from, pass, len(b.code))
	}
	b.ret(c.action)
	b.resolve(start, fail, len(b.code))
}

// resolve gives the jumps with the placeholder mark, from on, the target to.
func (b *builder) resolve(from int, mark uint8, to int) {
	for i := from; i < to; i++ {
		if b.code[i].Code&7 != unix.BPF_JMP {
			continue
		}
		distance := to - i - 1
		for _, j := range []*uint8{&b.code[i].Jt, &b.code[i].Jf} {
			if *j == mark {
				*j = uint8(distance)
				b.tooFar = b.tooFar || distance >= pass
			}
		}
	}
}

func (b *builder) equal(c argument) {
	b.half(c.Index, 1)
	b.jump(unix.BPF_JEQ, uint32(c.Value>>32), 0, fail)
	b.half(c.Index, 0)
	b.jump(unix.BPF_JEQ, uint32(c.Value), pass, fail)
}

func (b *builder) unequal(c argument) {
	b.half(c.Index, 1)
	b.jump(unix.BPF_JEQ, uint32(c.Value>>32), 0, pass)
	b.half(c.Index, 0)
	b.jump(unix.BPF_JEQ, uint32(c.Value), fail, pass)
}

// greater jumps to yes if the argument is greater than the value or, by op, equal
// to it, and else to no.
func (b *builder) greater(c argument, op uint16, yes, no uint8) {
	b.half(c.Index, 1)
	b.jump(unix.BPF_JGT, uint32(c.Value>>32), yes, 0)
	b.jump(unix.BPF_JEQ, uint32(c.Value>>32), 0, no)
	b.half(c.Index, 0)
	b.jump(op, uint32(c.Value), yes, no)
}

// masked compares the bits of the argument that are set in the first value with
// the second.
func (b *builder) masked(c argument) {
	b.half(c.Index, 1)
	b.emit(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, uint32(c.Value>>32), 0, 0)
	b.jump(unix.BPF_JEQ, uint32(c.ValueTwo>>32), 0, fail)
	b.half(c.Index, 0)
	b.emit(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, uint32(c.Value), 0, 0)
	b.jump(unix.BPF_JEQ, uint32(c.ValueTwo), pass, fail)
}
