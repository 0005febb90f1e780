package hint

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestHintTravelsThroughWrapping(t *testing.T) {
	err := fmt.Errorf("open x: %w", Wrap(fs.ErrNotExist, "create %s first", "x"))
	if got := Of(err); got != "create x first" {
		t.Errorf("Of = %q", got)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
}

func TestOutermostHintWins(t *testing.T) {
	err := Wrap(New("inner", "do this"), "do that")
	if got := Of(err); got != "do that" {
		t.Errorf("Of = %q", got)
	}
}

func TestNoHint(t *testing.T) {
	if Wrap(nil, "x") != nil {
		t.Error("Wrap(nil) is not nil")
	}
	if got := Of(errors.New("plain")) + Of(nil); got != "" {
		t.Errorf("Of = %q", got)
	}
}
