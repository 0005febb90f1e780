package sweep

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Snapshot is what is below a directory, with the digests of regular files.
type Snapshot map[string]string

// Look makes a snapshot.
func Look(dir string) (Snapshot, error) {
	s := Snapshot{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || !d.Type().IsRegular() {
			s[name] = d.Type().String()
			return err
		}
		data, err := os.ReadFile(path)
		sum := sha256.Sum256(data)
		s[name] = hex.EncodeToString(sum[:])
		return err
	})
	return s, err
}

// Torn says which files of now are neither as they were nor as they shall be,
// and which are gone that were there.
func (now Snapshot) Torn(before, after Snapshot) (torn []string) {
	for _, name := range slices.Sorted(maps.Keys(now)) {
		_, was := before[name]
		_, will := after[name]
		if (was || will) && now[name] != before[name] && now[name] != after[name] {
			torn = append(torn, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, is := now[name]; !is {
			torn = append(torn, fmt.Sprint(name, " is gone"))
		}
	}
	return torn
}

// Extra is which files are there that neither were nor shall be.
func (now Snapshot) Extra(before, after Snapshot) (extra []string) {
	for _, name := range slices.Sorted(maps.Keys(now)) {
		_, was := before[name]
		_, will := after[name]
		if !was && !will {
			extra = append(extra, name)
		}
	}
	return extra
}

// Age makes files, and the directories above them up to dir, look as if nobody
// had used them for so long.
func Age(dir string, names []string, by time.Duration) error {
	then := time.Now().Add(-by)
	for _, name := range names {
		for ; name != "."; name = filepath.Dir(name) {
			if err := os.Chtimes(filepath.Join(dir, name), then, then); err != nil {
				return err
			}
		}
	}
	return nil
}
