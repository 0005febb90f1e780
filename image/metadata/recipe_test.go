package metadata

import (
	"reflect"
	"strings"
	"testing"

	"github.com/sealift/sealift/image/definition"
)

func TestFromRecipe(t *testing.T) {
	const text = "Bootstrap: x\n%labels\n A 1\n B 2\n%environment\nexport A\n%labels\n A 3 # c\n" +
		"%runscript -e\nrun\n%startscript\n#!/bin/dash\nstart\n%help\n Hello\n%environment\nexport B\n"
	r, err := definition.Parse("x.def", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := FromRecipe(r, &r.Stages[0])
	want := Spec{
		Definition: text, Environment: "export A\nexport B\n", Help: " Hello\n",
		Runscript: "#!/bin/sh -e\nrun\n", Startscript: "#!/bin/dash\nstart\n",
		Labels: map[string]string{"A": "3 # c", "B": "2"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

func TestFromRecipeErrors(t *testing.T) {
	for _, name := range []string{"runscript", "startscript", "test"} {
		r, err := definition.Parse("x.def", []byte("Bootstrap: x\n%"+name+" -c\n a\n"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := FromRecipe(r, &r.Stages[0]); err == nil || !strings.Contains(err.Error(), "-c without a shell") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
