package shell

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// mapFiles is a container in memory. Paths below /host come from elsewhere.
type mapFiles struct{ fstest.MapFS }

func (m mapFiles) Stat(name string) (fs.FileMode, error) {
	if strings.HasPrefix(name, "/host") {
		return 0, ErrNeedsContainer
	}
	info, err := m.MapFS.Stat(strings.TrimPrefix(name, "/"))
	if err != nil {
		return 0, err
	}
	return info.Mode(), nil
}

func (m mapFiles) Read(name string) (string, error) {
	if strings.HasPrefix(name, "/host") {
		return "", ErrNeedsContainer
	}
	text, err := m.ReadFile(strings.TrimPrefix(name, "/"))
	return string(text), err
}

var files = mapFiles{fstest.MapFS{
	"etc/env.sh":  {Data: []byte("export SOURCED=yes\n")},
	"etc/loop.sh": {Data: []byte(". /etc/loop.sh\n")},
	"etc/bad.sh":  {Data: []byte("if\n")},
}}

// accepted scripts are evaluated here, with the result that every shell gives.
var accepted = []string{
	``, `# comment`, `A=1`, `A=1; export A`, `export A=1`, `export A=1 B=2`, `export A; A=1`, `A=1 B=$A; export B`,
	`export A="a b"`, `export A='a $B b'`, `export A=a\ b`, `export A="a\"b\$c\\d\e"`, `export A=""`, `export A=`,
	`export A="x
y"`, "export A=a\\\nb", `X=1; export A=$X$X`, `X="a b"; A=$X; export A`, `X='*'; A=$X; export A`,
	`export A="${NONE:-default}"`, `export A="${EMPTY:-default}"`, `export A="${EMPTY-default}"`, `export A="${SET:+alt}"`,
	`export A="${EMPTY:+alt}"`, `export A="${EMPTY+alt}"`, `export A="${NONE:="assigned"}" B="$NONE"`, `: "${NONE:=x}"; export NONE`,
	`export A="${SET:-"quoted $SET"}"`, `export A="${NONE:-"quoted $SET"}"`, `export A=${NONE:-"a b"}`, `export A="${#SET}"`,
	`export A="${NONE:-${SET:-deep}}"`, `export A=${NONE:-'single'}`, `export A="$SET-$SET"`, `export A="${SET}x"`,
	`unset SET`, `unset NONE SET`, `A=1; export A; unset A; A=2`, `SET=`, `export SET=new`,
	`if [ -n "$SET" ]; then export A=1; else export A=2; fi`, `if [ -z "$SET" ]; then export A=1; else export A=2; fi`,
	`if [ "$SET" = value ]; then export A=1; elif true; then export A=2; fi`, `if [ "$SET" != value ]; then export A=1; elif true; then export A=2; fi`,
	`if false; then :; elif false; then :; else export A=3; fi`, `if ! false; then export A=1; fi`, `! true || export A=1`,
	`[ "$SET" ] && export A=1`, `[ "$NONE" ] || export A=1`, `true && false || export A=1`, `[ ! "$NONE" ] && export A=1`,
	`[ ! -n "$NONE" ] && export A=1`, `[ ! a = b ] && export A=1`, `[ ] || export A=1`, `[ = ] && export A=1`, `[ ! = x ] || export A=1`,
	`test -n "$SET" && export A=1`, `test || export A=1`, `[ -n ] && export A=1`, `[ "" ] || export A=1`, `[ -e ] && export A=1`,
	`case $SET in value) export A=1;; *) export A=2;; esac`, `case $SET in a|value) export A=1;; esac`, `case $NONE in x) export A=1;; esac`,
	`case "$SET" in "value") export A=q;; esac`, `case x in *) export A=any;; esac`,
	`for i in a b c; do A=$A$i; done; export A`, `for i in "a b" $NONE ""; do A="$A<$i>"; done; export A i`, `for i in; do export A=1; done`,
	`{ A=1; export A; }`, `A=1 B=2 C=3; export A B C`, `export $NONE A=1`, `X=Y; export $X; Y=1`,
	`if [ "x$SET" = "xvalue" ]; then A="in"; export A; fi`, `export PATH="/opt/bin:$PATH"`, `if [ -z "${PS1:-}" ]; then PS1="C> "; fi; export PS1`,
	`export A="${SHELL-none} ${TERM:-none} ${HOSTNAME:+set} $SHLVL $COLUMNS $LINES $MAILCHECK $OPTERR"`, `export A="a$" B="$"x`,
}

// TestSameAsShells compares with shells that are installed.
func TestSameAsShells(t *testing.T) {
	environ := []string{"SET=value", "EMPTY=", "PATH=/usr/bin:/bin"}
	shells := [][]string{{"/bin/dash"}, {"/bin/bash", "--posix"}, {"/bin/busybox", "sh"}}
	shells = slices.DeleteFunc(shells, func(sh []string) bool {
		_, err := os.Stat(sh[0])
		return err != nil
	})
	if len(shells) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("no shell is installed")
		}
		t.Skip("no shell is installed")
	}
	for _, script := range accepted {
		s := New(environ, files)
		if err := s.Run("script", script); err != nil {
			t.Errorf("%s: %v", script, err)
			continue
		}
		want := environOf(s)
		for _, sh := range shells {
			args := append(slices.Clone(sh[1:]), "-c", "unset "+strings.Join(StartNames, " ")+"\n"+script+"\nexec /usr/bin/env -0")
			cmd := exec.Command(sh[0], args...)
			cmd.Env = environ
			out, err := cmd.Output()
			if err != nil {
				t.Errorf("%s %s: %v", sh, script, err)
				continue
			}
			got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
			got = slices.DeleteFunc(got, func(s string) bool {
				name, _, _ := strings.Cut(s, "=")
				return name == "_" || name == "PWD" || name == "SHLVL" || name == "OLDPWD"
			})
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%s %s\n%q\nhere:\n%q", sh, script, got, want)
			}
		}
	}
}

// refused scripts need a real shell, whether they are wrong or only richer.
var refused = []string{
	`A=$(id)`, "A=`id`", `A=$((1+1))`, `id`, `/bin/true`, `exit 0`, `return`, `cd /`, `eval A=1`, `set -e`, `set -- a`, `echo hi`,
	`printf x`, `read A`, `readonly A=1`, `trap : 0`, `umask 0`, `exec true`, `command true`, `local A=1`, `shift`, `break`, `source /etc/env.sh`,
	`A=1 true`, `true > /dev/null`, `true < /etc/passwd`, `true &`, `true | true`, `(A=1)`, `while true; do :; done`, `until false; do :; done`,
	`f() { :; }`, `A=${SET#v}`, `A=${SET%e}`, `A=${SET:?}`, `A=${SET/a/b}`, `A=${SET:1}`, `A=${!SET}`, `A=$1`, `A=$@`, `A=$$`, `A=$?`, `A=$#`,
	`A=$RANDOM`, `A=$UID`, `A=$PPID`, `A=$LINENO`, `A=$PS4`, `A=$OLDPWD`, `A=$BASH_VERSION`, `A=${SECONDS:-x}`, `A=~`, `A=~root/x`, `A=/a:~/b`,
	`export A=*`, `export A=$BLANK`, `[ $BLANK = x ]`, `[ -f * ]`, `export A={a,b}`, `[ -r /etc ]`, `[ -x /etc ]`, `[ a -a b ]`, `[ 1 -lt 2 ]`,
	`[ a == a ]`, `[ a = a`, `[ -f relative ]`, `[ -e /host/x ]`, `[[ a = a ]]`, `. relative.sh`, `. /host/x`, `. /missing`, `. /etc/bad.sh`, `. /etc/loop.sh`,
	`. /etc/env.sh extra`, `A=(1 2)`, `A+=1`, `A[0]=1`, `export -p`, `export`, `export -n A`, `export 1A=x`, `unset -f x`, `unset IFS`, `unset 1`,
	`IFS=:`, `PWD=/x`, `UID=0`, `BASH_ENV=/x`, `OPTIND=1`, `for i do :; done`, `for PWD in a; do :; done`, `case x in ?) A=1;; esac`, `case x in [a-z]) A=1;; esac`,
	`case ~ in x) ;; esac`, `A="${X:-'q'}"`, `A="${X:-\$}"`, `A=$'x'`, `A=$"x"`, `if`, `A="`, `fi`, "A=1\r\n", "A=\x00", "A=\xff", `export A="${#UMLAUT}"`,
	`case a in a) A=1;& b) ;; esac`, `select x in a; do :; done`, `time true`, `function f { :; }`, `let A=1`, `declare A=1`, "cat <<E\nE\n", `$SET`, `"$NONE"`,
}

// environOf returns the exported variables, sorted.
func environOf(s *Shell) []string {
	var env []string
	for _, v := range s.Exported() {
		env = append(env, v.Name+"="+v.Value)
	}
	slices.Sort(env)
	return env
}

// TestOrigins: each variable knows what has set it last.
func TestOrigins(t *testing.T) {
	s := New([]string{"OUTER=1", "BOTH=1"}, files)
	if err := s.Set("GIVEN", "$x", "a flag"); err != nil {
		t.Fatal(err)
	}
	if err := s.Run("first.sh", "export OWN=1 BOTH=2 LATER=1\n. /etc/env.sh\nexport AFTER=$SOURCED\n"); err != nil {
		t.Fatal(err)
	}
	if err := s.Run("second.sh", "LATER=$LATER:2\nexport GIVEN\nLOCAL=1\n"); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, v := range s.Exported() {
		got[v.Name] = v.Value + " " + v.Origin
	}
	want := map[string]string{
		"OUTER": "1 ", "GIVEN": "$x a flag", "OWN": "1 first.sh", "BOTH": "2 first.sh", "SOURCED": "yes /etc/env.sh",
		"AFTER": "yes first.sh", "LATER": "1:2 second.sh",
	}
	if !maps.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if err := s.Set("HUGE", strings.Repeat("x", maxValue+1), ""); !errors.Is(err, ErrNeedsContainer) {
		t.Errorf("a huge value: %v", err)
	}
}

func TestRefused(t *testing.T) {
	for _, script := range refused {
		s := New([]string{"SET=value", "BLANK=a b", "UMLAUT=\u00e4"}, files)
		if err := s.Run("script", script); !errors.Is(err, ErrNeedsContainer) {
			t.Errorf("%s: %v, %q", script, err, environOf(s))
		}
	}
}

func TestUntakenBranchesDoNotMatter(t *testing.T) {
	s := New(nil, files)
	if err := s.Run("x", `if [ -n "$NONE" ]; then id; fi; [ -n "$NONE" ] && id; case a in b) id;; esac; export A=1`); err != nil {
		t.Fatal(err)
	}
	if env := environOf(s); !slices.Equal(env, []string{"A=1"}) {
		t.Errorf("%q", env)
	}
}

func TestFiles(t *testing.T) {
	s := New(nil, files)
	script := `. /etc/env.sh
if [ -f /etc/env.sh ]; then export F=1; fi
if [ -d /etc ]; then export D=1; fi
if [ -e /etc/none ]; then export E=1; fi
if [ -f /etc ]; then export FD=1; fi
[ -e /etc/env.sh ] && export E2=1
`
	if err := s.Run("x", script); err != nil {
		t.Fatal(err)
	}
	if env, want := environOf(s), []string{"D=1", "E2=1", "F=1", "SOURCED=yes"}; !slices.Equal(env, want) {
		t.Errorf("%q, want %q", env, want)
	}
}

func TestAssigned(t *testing.T) {
	s := New([]string{"A=1"}, files)
	if err := s.Run("x", "B=2\nexport A=3\nC=4\nunset C B\nB=5\n"); err != nil {
		t.Fatal(err)
	}
	if got, want := s.Assigned(), []string{"B=5", "A=3"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if v, set := s.Get("B"); v != "5" || !set {
		t.Error("Get", v, set)
	}
}

// TestBounds runs scripts that would use up time, memory or stack.
func TestBounds(t *testing.T) {
	doubling := "A=0123456789\n" + strings.Repeat("A=$A$A\n", 60)
	wide := "A=" + strings.Repeat("x", 60000) + "\nB=" + strings.Repeat("$A", 2000)
	loops := strings.Repeat("for i in a b c d e f g h i j; do ", 12) + "A=$i; " + strings.Repeat("done;", 12)
	many := New(nil, files)
	var err error
	for i := 0; i < 100 && err == nil; i++ {
		err = many.Run("x", "A=1 #"+strings.Repeat("x", MaxScript-10))
	}
	if !errors.Is(err, ErrNeedsContainer) {
		t.Error("many scripts:", err)
	}
	for name, script := range map[string]string{
		"doubling": doubling, "wide": wide, "loops": loops, "long": strings.Repeat("#", MaxScript+1),
		"blocks": strings.Repeat("{ ", 30000), "expansions": "A=" + strings.Repeat("${A:-", 12000), "quotes": strings.Repeat(`"$(`, 20000),
		"if": strings.Repeat("if ", 20000), "total": strings.Repeat("A=1\n", 5000) + doubling,
	} {
		s := New(nil, files)
		if err := s.Run("x", script); !errors.Is(err, ErrNeedsContainer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRun(f *testing.F) {
	for _, script := range append(slices.Clone(accepted), refused...) {
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script string) {
		s := New([]string{"SET=value", "EMPTY="}, files)
		err := s.Run("script", script)
		if err != nil && !errors.Is(err, ErrNeedsContainer) {
			t.Error(err)
		}
		if err == nil && s.total < 0 {
			t.Error("negative size")
		}
	})
}
