package environ

// Action is a program's name and text.
type Action struct{ Name, Text string }

// loadEnvironment begins every action script: what the image's environment
// scripts set is set by the action too when another program starts it.
const loadEnvironment = `#!/bin/sh
for script in /.singularity.d/env/*.sh; do
    if [ -f "$script" ]; then
        . "$script"
    fi
done
`

// Actions are the programs in /.singularity.d/actions. Sealift itself
// does not run them: they are for other runtimes and for nested containers.
var Actions = []Action{
	{"exec", loadEnvironment + `exec "$@"
`},
	{"run", loadEnvironment + `if [ -x /.singularity.d/runscript ]; then
    exec /.singularity.d/runscript "$@"
fi
echo "the image has no runscript" >&2
exit 127
`},
	{"shell", loadEnvironment + `if [ -n "$SEALIFT_SHELL" ]; then
    exec "$SEALIFT_SHELL" "$@"
elif [ -x /bin/bash ]; then
    exec /bin/bash --norc "$@"
fi
exec /bin/sh "$@"
`},
	{"start", loadEnvironment + `if [ -x /.singularity.d/startscript ]; then
    exec /.singularity.d/startscript "$@"
fi
`},
	{"test", loadEnvironment + `if [ -x /.singularity.d/test ]; then
    exec /.singularity.d/test "$@"
fi
echo "the image has no test script" >&2
exit 127
`},
}
