package format

import (
	"strings"
	"testing"
)

func TestStart(t *testing.T) {
	long := "#!/" + strings.Repeat("x", 252)
	for head, want := range map[string]int64{
		"hsqs": 0, "hsqs\n": 0,
		"#!/usr/bin/env run-singularity\nhsqs": 31, "#!\nhsqs": 3, long + "\nhsqs": 256,
		"": -1, "hsq": -1, "#!": -1, "#!hsqs": -1, "#!/bin/sh\n": -1, "#!/bin/sh\n\nhsqs": -1, "#!x\nhsq": -1,
		"\nhsqs": -1, "#\nhsqs": -1, long + "x\nhsqs": -1, "#!/usr/bin/env run-singularity\n\x00SIF_MAGIC\x00": -1,
	} {
		if got, found := Start([]byte(head)); found != (want >= 0) || found && got != want {
			t.Errorf("%q: %d, %t", head, got, found)
		}
	}
}
