package e2e

import (
	"path/filepath"
	"testing"
)

// TestPrompt: who types in a container sees that it is one, also in a bash that
// reads start files of the image, and after that only where these say so.
func TestPrompt(t *testing.T) {
	asUser(t, "^TestPrompt$")
	sealift, busybox := busyboxImage(t)
	env := images(t)
	x := startTerminal(t, sealift, "shell", busybox)
	x.expect(t, "Sealift> ", 1)
	if env["DEBIAN"] == "" {
		t.Skip("needs the debian fixture")
	}
	debian, err := buildOnce(env["STAGE"], "PY", "oci:"+env["DEBIAN"])
	if err != nil {
		t.Fatal(err)
	}
	start := filepath.Join(t.TempDir(), "bashrc")
	x = startTerminal(t, "sh", "-c", `printf 'PS1="from a start file> "\n' > `+start+` && exec "$@"`, "sh",
		sealift, "exec", "--env", "PS1=it's $HOME> ", "--bind", start+":/etc/bash.bashrc", "--home", filepath.Dir(start)+":/root", debian, "bash")
	x.expect(t, "it's /root> ", 1)
	x.send(t, "echo [$PROMPT_COMMAND]; bash\n")
	x.expect(t, "[]\r\n", 1)
	x.expect(t, "from a start file> ", 1)
}
