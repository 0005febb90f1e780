package sif

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sylabs/sif/v2/pkg/sif"
)

// TestDescriptorsT37 opens tables of none, of the usual and of too many descriptors,
// all of them in use: the most that is taken costs little time and memory.
func TestDescriptorsT37(t *testing.T) {
	b := reference(t, partition(sif.FsSquash, sif.PartPrimSys, "amd64"))
	for count, want := range map[int]string{0: "", 1: "", 48: "", 65_536: "", 65_537: "descriptors are not"} {
		big := bytes.Clone(b[:4096])
		table := make([]byte, count*descriptorSize)
		first := b[firstDescriptor:][:descriptorSize]
		data := 4096 + len(table)
		for i := range count {
			d := table[i*descriptorSize:]
			copy(d, first)
			binary.LittleEndian.PutUint32(d[0:], uint32(sif.DataGeneric))
			binary.LittleEndian.PutUint32(d[5:], uint32(i+1))
			for at, n := range map[int]int{17: data + i, 25: 1, 33: 1} {
				binary.LittleEndian.PutUint64(d[at:], uint64(n))
			}
		}
		big = append(append(big, table...), make([]byte, count)...)
		for at, n := range map[int]int{80: 0, 88: count, 96: 4096, 104: len(table), 112: data, 120: count} {
			binary.LittleEndian.PutUint64(big[at:], uint64(n))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		img, err := open(big)
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		switch {
		case want == "" && (err != nil || len(img.Objects()) != count):
			t.Errorf("%d: %v", count, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%d: error %v, want %q", count, err, want)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 192<<20 || took > 10*time.Second {
			t.Errorf("%d: %d MiB, %v", count, grown>>20, took)
		}
	}
}
