package doctor

import (
	"cmp"
	"fmt"
	"strings"
	"syscall"
)

// The least that should be free.
const (
	leastBytes = 1 << 30
	leastFiles = 1000
)

func (f *Findings) cache() Check {
	return f.Cache.check("nothing is kept for other builds, and images of registries are fetched again",
		"export SEALIFT_CACHEDIR=DIR, a directory with enough space")
}

func (f *Findings) tmpdir() Check {
	const effect, elsewhere = "builds and pulls that need temporary files fail", "export TMPDIR=DIR, a directory with enough space"
	c := f.TmpDir.check(effect, elsewhere)
	if f.TmpDir.Err == "" && f.TmpDir.At != f.TmpDir.Path { // nobody makes it
		c = Check{State: Warning, Found: f.TmpDir.Path + " does not exist", Effect: effect, Fix: "mkdir -p " + f.TmpDir.Path + "\nor " + elsewhere}
	}
	return c
}

// check looks at a place that files are written to.
func (p Place) check(effect, elsewhere string) Check {
	c := Check{State: Warning, Found: p.describe(), Effect: effect, Fix: elsewhere}
	switch {
	case p.Err != "":
		c.Found, c.Fix = p.Err, cmp.Or(p.Hint, elsewhere)
	case p.Write != 0:
		c.Found += fmt.Sprintf("; no file can be made there: %v", p.Write)
	case p.Free < leastBytes:
		c.Found += "; that is little"
	case p.Files > 0 && p.FreeFiles < leastFiles:
		c.Found += "; that is too few"
	case p.Lock != 0:
		c.Found += fmt.Sprintf("; files cannot be locked: %v", p.Lock)
		c.Effect = "processes that want the same wait up to 20 s longer for each other"
		c.Fix = asRoot("mount %s with locks (Lustre: -o flock; NFS: without nolock)", p.At) + "\nor " + elsewhere
	default:
		return works("%s", c.Found)
	}
	return c
}

// describe tells what kind of place it is.
func (p Place) describe() string {
	text := p.Path
	if p.At != p.Path {
		text += ", not there yet"
	}
	text += fmt.Sprintf(": %s, %s of %s free", cmp.Or(p.Type, "unknown file system"), size(p.Free), size(p.Size))
	if p.Files > 0 {
		text += fmt.Sprintf(", room for %d files", p.FreeFiles)
	}
	var lacks []string
	if p.Write == 0 && !p.Unnamed {
		lacks = append(lacks, "no O_TMPFILE")
	}
	if p.Lock == syscall.ENOSYS || p.Lock == syscall.EOPNOTSUPP || p.Lock == syscall.ENOLCK {
		lacks = append(lacks, "no flock")
	}
	return strings.Join(append([]string{text}, lacks...), ", ")
}

// session looks at what a tmpfs is mounted on: nothing is written to it.
func (f *Findings) session() Check {
	p := f.Session
	if p.Err != "" {
		return Check{State: Warning, Found: p.Err, Effect: "containers may not start", Fix: asRoot("mkdir -m 1777 /tmp")}
	}
	c := works("each container mounts a tmpfs on %s (%s), of at most half the memory", p.Path, cmp.Or(p.Type, "unknown file system"))
	if n := f.Host.MemoryLimit; n > 0 {
		c.Found += fmt.Sprintf("; control groups allow %s in all", size(uint64(n)))
	}
	return c
}

// size spells a number of bytes in powers of 1024.
func size(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	f, unit := float64(n), 0
	for f >= 1023.95 && unit < len(units)-1 {
		f, unit = f/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[unit])
}
