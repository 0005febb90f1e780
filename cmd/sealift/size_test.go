package main

import "testing"

func TestSize(t *testing.T) {
	for text, want := range map[string]size{
		"0": 0, "4096": 4096, "4k": 4096, "128K": 128 << 10, "128KiB": 128 << 10, "1M": 1 << 20, "2GB": 2 << 30, "1t": 1 << 40,
	} {
		var s size
		if err := s.Set(text); err != nil || s != want {
			t.Errorf("%s: %d, %v", text, s, err)
		}
		var again size
		if err := again.Set(s.String()); err != nil || again != s {
			t.Errorf("%s prints as %s, which is %d, %v", text, &s, again, err)
		}
	}
	for _, text := range []string{"", "K", "-1", "1.5M", "1X", "9223372036854775807K", "B", "1 K"} {
		s := size(7)
		if err := s.Set(text); err == nil || s != 7 {
			t.Errorf("%q: %d, %v", text, s, err)
		}
	}
}

func TestImageCache(t *testing.T) {
	given, none := actionFlags{imageCache: 64 << 20}, actionFlags{}
	if got := given.imageOptions(1 << 20).CacheBytes; got != 64<<20 {
		t.Errorf("given 64 MiB: %d bytes", got)
	}
	small, free := none.imageOptions(64<<20).CacheBytes, none.imageOptions(0).CacheBytes
	if small <= 0 || small >= free {
		t.Errorf("%d bytes with a limit, %d without", small, free)
	}
}
