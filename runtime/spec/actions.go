package spec

import (
	"io/fs"

	"github.com/sealift/sealift/starter/plan"
)

// loadEnvironment begins every action script: what the image's environment
// scripts set is set by the action too when another program starts it.
const loadEnvironment = `#!/bin/sh
for script in /.singularity.d/env/*.sh; do
    if [ -f "$script" ]; then
        . "$script"
    fi
done
`

// actionScripts are the programs in /.singularity.d/actions. Sealift itself
// does not run them: they are for other runtimes and for nested containers.
var actionScripts = []struct{ name, body string }{
	{"exec", `exec "$@"
`},
	{"run", `if [ -x /.singularity.d/runscript ]; then
    exec /.singularity.d/runscript "$@"
fi
echo "the image has no runscript" >&2
exit 127
`},
	{"shell", `if [ -n "$SEALIFT_SHELL" ]; then
    exec "$SEALIFT_SHELL" "$@"
elif [ -x /bin/bash ]; then
    exec /bin/bash --norc "$@"
fi
exec /bin/sh "$@"
`},
	{"start", `if [ -x /.singularity.d/startscript ]; then
    exec /.singularity.d/startscript "$@"
fi
`},
	{"test", `if [ -x /.singularity.d/test ]; then
    exec /.singularity.d/test "$@"
fi
echo "the image has no test script" >&2
exit 127
`},
}

// actions shows the action scripts: always in a served image, and in a sandbox
// that lacks them.
func (p *planner) actions() {
	const dir = "/.singularity.d/actions"
	for _, a := range actionScripts {
		at, err := p.tree.Resolve(dir + "/" + a.name)
		if err != nil || (at.Found && !p.served()) {
			continue
		}
		if at.Found && !at.Mode.IsRegular() {
			continue
		}
		p.extras = append(p.extras, plan.Do(plan.Write, at.Path, "0755", loadEnvironment+a.body))
		p.tree.Make(at.Path, fs.FileMode(0o755))
	}
}
