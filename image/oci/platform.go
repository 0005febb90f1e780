package oci

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Platform is what an image runs on, in the words of GOOS and GOARCH, with
// the variant of the processor as in "v7" for arm or "v3" for amd64. An empty
// variant stands for the processor's usual one.
type Platform struct {
	OS      string `json:"os"`
	Arch    string `json:"architecture"`
	Variant string `json:"variant"`
}

// String returns "linux/arm/v7".
func (p Platform) String() string {
	s := p.OS + "/" + p.Arch
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// version returns the variant as a number that grows with what the processor
// can do, -1 for a variant that is no version.
func (p Platform) version() float64 {
	usual := map[string]string{"arm": "v7", "arm64": "v8", "amd64": "v1"}
	v := p.Variant
	if v == "" {
		v = usual[p.Arch]
	}
	if v == "" {
		return 0
	}
	number, err := strconv.ParseFloat(strings.TrimPrefix(v, "v"), 64)
	if err != nil || !(number >= 0) {
		return -1
	}
	return number
}

// runs reports whether a machine of platform p runs an image for q.
func (p Platform) runs(q Platform) bool {
	if p.OS != q.OS || p.Arch != q.Arch {
		return false
	}
	return q.version() >= 0 && q.version() <= p.version()
}

// real reports whether p is a platform and not the "unknown/unknown" by which
// BuildKit marks an attestation, which is no image.
func (p *Platform) real() bool { return p != nil && p.OS != "unknown" && p.Arch != "unknown" }

// choose returns the best of several descriptors of one image for p.
func choose(list []descriptor, p Platform) (descriptor, error) {
	var best *descriptor
	var offered []string
	for i, d := range list {
		if !d.Platform.real() {
			continue
		}
		offered = append(offered, d.Platform.String())
		if p.runs(*d.Platform) && (best == nil || d.Platform.version() > best.Platform.version()) {
			best = &list[i]
		}
	}
	switch {
	case best != nil:
		return *best, nil
	case len(list) == 1 && list[0].Platform == nil:
		return list[0], nil // its configuration tells the platform
	case len(offered) > 0:
		return descriptor{}, wrongPlatform(p, offered)
	}
	return descriptor{}, hint.New(fmt.Sprintf("holds %d images and no way to tell which is meant", len(list)),
		"give the images tags, or copy the one wanted to a place of its own")
}

func wrongPlatform(p Platform, offered []string) error {
	slices.Sort(offered)
	return hint.New(fmt.Sprintf("the image is not for %s", p),
		"it is offered for %.2000s", strings.Join(slices.Compact(offered), ", "))
}
