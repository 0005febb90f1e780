package require

import (
	"strings"
	"testing"
)

func TestUnmet(t *testing.T) {
	// As images of CUDA 12.4 have it.
	const image = "NVIDIA_REQUIRE_CUDA=cuda>=12.4 brand=tesla,driver>=470,driver<471 brand=unknown,driver>=470,driver<471 brand=tesla,driver>=535,driver<536"
	h := func(driver, brand string) Host { return Host{driver, CUDA(driver), brand} }
	for _, c := range []struct {
		environ string // separated by |
		host    Host
		want    string
	}{
		{"", h("470.1", ""), ""},
		{image, h("550.54.15", "tesla"), ""},
		{image, h("535.104.5", "tesla"), ""},
		{image, h("535.104.5", "geforce"), "NVIDIA_REQUIRE_CUDA=cuda>=12.4 brand="},
		{image, h("535.104.5", ""), ""}, // it may be a Tesla
		{image, h("525.60.13", ""), "NVIDIA_REQUIRE_CUDA=cuda>=12.4 brand="},
		{image, h("999.1", ""), ""}, // nobody knows
		{image, h("", ""), ""},
		{image + "|NVIDIA_DISABLE_REQUIRE=true", h("525.60.13", ""), ""},
		{image + "|NVIDIA_DISABLE_REQUIRE=no", h("525.60.13", ""), "NVIDIA_REQUIRE_CUDA=cuda>=12.4 brand="},
		{"NVIDIA_REQUIRE_B=driver>=600|NVIDIA_REQUIRE_A=cuda>9", h("550.1", ""), "NVIDIA_REQUIRE_B=driver>=600"},
		{"NVIDIA_REQUIRE_B=driver>=600|NVIDIA_REQUIRE_A=cuda<9", h("550.1", ""), "NVIDIA_REQUIRE_A=cuda<9 NVIDIA_REQUIRE_B=driver>=600"},
		{"NVIDIA_REQUIRE_A=driver>=600|NVIDIA_REQUIRE_A=driver>=500", h("550.1", ""), ""},
		{"NVIDIA_REQUIRE_A=driver=550", h("550.54", ""), ""},
		{"NVIDIA_REQUIRE_A=driver!=550.54", h("550.54", ""), "NVIDIA_REQUIRE_A=driver!=550.54"},
		{"NVIDIA_REQUIRE_A=driver<=550.53", h("550.54", ""), "NVIDIA_REQUIRE_A=driver<=550.53"},
		{"NVIDIA_REQUIRE_A=driver>550.54", h("550.54", ""), "NVIDIA_REQUIRE_A=driver>550.54"},
		{"NVIDIA_REQUIRE_A=driver<550.100", h("550.54", ""), ""},
		{"NVIDIA_REQUIRE_A=arch>=9.0", h("550.54", ""), ""}, // not known
		{"NVIDIA_REQUIRE_A=|NVIDIA_REQUIRE_B=nonsense|NVIDIA_REQUIRE_C=driver<>1", h("550.54", ""), ""},
		{"CUDA_VERSION=12.6.3", h("550.54", ""), "CUDA_VERSION=12.6.3"},
		{"CUDA_VERSION=12.4.1", h("550.54", ""), ""},
		{"CUDA_VERSION=9", h("550.54", ""), ""},
		{"CUDA_VERSION=12.6.3|NVIDIA_REQUIRE_CUDA=cuda>=12.0", h("550.54", ""), ""},
	} {
		got := strings.Join(Unmet(strings.Split(c.environ, "|"), c.host), " ")
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s, %+v: %q", c.environ, c.host, got)
		}
	}
}

func TestCUDA(t *testing.T) {
	for driver, want := range map[string]string{"550.54.15": "12.4", "549.1": "12.3", "590.1": "13.1", "600.1": "", "340.1": "", "": "", "x.1": "", "384.81": "9.0"} {
		if got := CUDA(driver); got != want {
			t.Errorf("%s: %q, not %q", driver, got, want)
		}
	}
}
