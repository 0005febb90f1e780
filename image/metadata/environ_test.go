package metadata

import (
	"strings"
	"testing"
)

func TestScriptEnvironmentIsAnAllowList(t *testing.T) {
	got := strings.Join(ScriptEnvironment(
		[]string{"AWS_SECRET=x", "SSH_AUTH_SOCK=x", "TERM=xterm", "APPTAINER_BIND=x", "HTTPS_PROXY=p", "LD_PRELOAD=x", "HOME=/home/user"},
		[]string{"PATH=/image", "LANG=C"}), "\n")
	want := "PATH=/image:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nHOME=/root\nTERM=xterm\nHTTPS_PROXY=p\nLANG=C\n" +
		"SEALIFT_ENVIRONMENT=/.singularity.d/env/91-environment.sh\n" +
		"APPTAINER_ENVIRONMENT=/.singularity.d/env/91-environment.sh\n" +
		"SINGULARITY_ENVIRONMENT=/.singularity.d/env/91-environment.sh\n" +
		"SEALIFT_LABELS=/.build.labels\nAPPTAINER_LABELS=/.build.labels\nSINGULARITY_LABELS=/.build.labels"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestScriptEnvironmentCompletesPath(t *testing.T) {
	const rest = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin"
	for image, want := range map[string]string{
		"PATH=/opt/x:/bin": "PATH=/opt/x:/bin:" + rest,
		"PATH=":            "PATH=" + rest + ":/bin",
		"A=1":              "PATH=" + rest + ":/bin",
	} {
		if got := ScriptEnvironment(nil, []string{image})[0]; got != want {
			t.Errorf("%s: %s; want %s", image, got, want)
		}
	}
}
