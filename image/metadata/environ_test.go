package metadata

import (
	"strings"
	"testing"
)

func TestScriptEnvironmentIsAnAllowList(t *testing.T) {
	got := strings.Join(ScriptEnvironment(
		[]string{"AWS_SECRET=x", "SSH_AUTH_SOCK=x", "TERM=xterm", "APPTAINER_BIND=x", "HTTPS_PROXY=p", "LD_PRELOAD=x", "HOME=/home/user"},
		[]string{"PATH=/image", "LANG=C"}), "\n")
	want := "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nHOME=/root\nTERM=xterm\nHTTPS_PROXY=p\n" +
		"SEALIFT_ENVIRONMENT=/.singularity.d/env/91-environment.sh\n" +
		"APPTAINER_ENVIRONMENT=/.singularity.d/env/91-environment.sh\n" +
		"SINGULARITY_ENVIRONMENT=/.singularity.d/env/91-environment.sh\n" +
		"SEALIFT_LABELS=/.build.labels\nAPPTAINER_LABELS=/.build.labels\nSINGULARITY_LABELS=/.build.labels\n" +
		"SING_USER_DEFINED_APPEND_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestScriptEnvironmentCompletesPath(t *testing.T) {
	for image, want := range map[string]string{
		"PATH=/opt/x:/bin": "SING_USER_DEFINED_APPEND_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin",
		"A=1":              "SINGULARITY_LABELS=/.build.labels",
		"PATH=/usr/local/sbin:/usr/local/bin:/bin:/usr/sbin:/usr/bin:/sbin": "SING_USER_DEFINED_APPEND_PATH=",
	} {
		env := ScriptEnvironment(nil, []string{image})
		if got := env[len(env)-1]; got != want {
			t.Errorf("%s: %q; want %s", image, env, want)
		}
	}
}

func TestHostEnvironmentDropsSettings(t *testing.T) {
	got := HostEnvironment([]string{"A=1", "APPTAINER_BIND=x", "SINGULARITYENV_X=1", "SEALIFT_TMPDIR=1", "APPTAINERS=1"})
	if strings.Join(got, " ") != "A=1 APPTAINERS=1" {
		t.Errorf("%q", got)
	}
}
