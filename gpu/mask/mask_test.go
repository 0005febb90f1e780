package mask

import (
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

// result is what a function of this package returns, as text.
func result(chosen []GPU, env []string, err error) string {
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, g := range chosen {
		names = append(names, g.Node)
	}
	return strings.Join(names, " ") + "; " + strings.Join(env, " ")
}

func TestROCm(t *testing.T) {
	gpus := []GPU{{"a", "GPU-0a", 1}, {"b", "GPU-0b", 1}, {"c", "", 1}, {"d", "GPU-0d", 1}}
	for environ, want := range map[string]string{
		"":                                "a b c d; ",
		"ROCR_VISIBLE_DEVICES=1,3":        "b d; ROCR_VISIBLE_DEVICES=0,1",
		"ROCR_VISIBLE_DEVICES=3,1":        "b d; ROCR_VISIBLE_DEVICES=1,0",
		"ROCR_VISIBLE_DEVICES=GPU-0D,2":   "c d; ROCR_VISIBLE_DEVICES=1,0",
		"ROCR_VISIBLE_DEVICES=2,2":        "c; ROCR_VISIBLE_DEVICES=0",
		"ROCR_VISIBLE_DEVICES=":           "; ROCR_VISIBLE_DEVICES=",
		"HIP_VISIBLE_DEVICES=2":           "c; HIP_VISIBLE_DEVICES=0",
		"HIP_VISIBLE_DEVICES=3,0":         "a d; HIP_VISIBLE_DEVICES=1,0",
		"HIP_VISIBLE_DEVICES=":            "a b c d; ",
		"CUDA_VISIBLE_DEVICES=3":          "d; CUDA_VISIBLE_DEVICES=0",
		"ROCR_VISIBLE_DEVICES=7":          "ROCR_VISIBLE_DEVICES names the GPU 7, which is not there",
		"ROCR_VISIBLE_DEVICES=-1":         "ROCR_VISIBLE_DEVICES names the GPU -1, which is not there",
		"ROCR_VISIBLE_DEVICES=GPU-x":      "ROCR_VISIBLE_DEVICES names the GPU GPU-x, which is not there",
		"ROCR_VISIBLE_DEVICES=0 HIP=1":    "a; ROCR_VISIBLE_DEVICES=0",
		"GPU_DEVICE_ORDINAL=2":            "a b c d; GPU_DEVICE_ORDINAL=2",
		"GPU_DEVICE_ORDINAL=9":            "GPU_DEVICE_ORDINAL names the GPU 9, which is not there",
		"A=b ROCR_VISIBLE_DEVICES=0,2":    "a c; ROCR_VISIBLE_DEVICES=0,1",
		"HIP_VISIBLE_DEVICES=0,GPU-0b, 1": "a b; HIP_VISIBLE_DEVICES=0,1",
		// HIP counts what ROCr leaves, in ROCr's order.
		"ROCR_VISIBLE_DEVICES=3,1 HIP_VISIBLE_DEVICES=0":                      "d; ROCR_VISIBLE_DEVICES=0 HIP_VISIBLE_DEVICES=0",
		"ROCR_VISIBLE_DEVICES=3,1,0 HIP_VISIBLE_DEVICES=2,0":                  "a d; ROCR_VISIBLE_DEVICES=1,0 HIP_VISIBLE_DEVICES=1,0",
		"ROCR_VISIBLE_DEVICES=1 HIP_VISIBLE_DEVICES=1":                        "HIP_VISIBLE_DEVICES names the GPU 1, which is not there",
		"ROCR_VISIBLE_DEVICES=2,3 GPU_DEVICE_ORDINAL=2,3":                     "c d; ROCR_VISIBLE_DEVICES=0,1 GPU_DEVICE_ORDINAL=0,1",
		"ROCR_VISIBLE_DEVICES=2,3 GPU_DEVICE_ORDINAL=1":                       "c d; ROCR_VISIBLE_DEVICES=0,1 GPU_DEVICE_ORDINAL=1",
		"ROCR_VISIBLE_DEVICES=0 ROCR_VISIBLE_DEVICES=1 HIP_VISIBLE_DEVICES=0": "b; ROCR_VISIBLE_DEVICES=0 HIP_VISIBLE_DEVICES=0",
	} {
		if got := result(ROCm(gpus, strings.Fields(environ))); got != want {
			t.Errorf("%s: %q, not %q", environ, got, want)
		}
	}
}

func TestIntel(t *testing.T) {
	gpus := []GPU{{"a", "", 1}, {"b", "", 2}, {"c", "", 2}}
	for environ, want := range map[string]string{
		"":                       "a b c; ",
		"ZE_AFFINITY_MASK=":      "a b c; ",
		"ZE_AFFINITY_MASK=0":     "a; ZE_AFFINITY_MASK=0",
		"ZE_AFFINITY_MASK=2":     "b; ZE_AFFINITY_MASK=1",
		"ZE_AFFINITY_MASK=4,1":   "b c; ZE_AFFINITY_MASK=3,0",
		"ZE_AFFINITY_MASK=5":     "ZE_AFFINITY_MASK names the GPU 5, which is not there",
		"ZE_AFFINITY_MASK=x":     "ZE_AFFINITY_MASK names the GPU x, which is not there",
		"ZE_AFFINITY_MASK=-1":    "ZE_AFFINITY_MASK names the GPU -1, which is not there",
		"ZE_AFFINITY_MASK=1,2,1": "b; ZE_AFFINITY_MASK=0,1,0",
		"ZE_FLAT_DEVICE_HIERARCHY=COMPOSITE ZE_AFFINITY_MASK=2.1,1": "b c; ZE_AFFINITY_MASK=1.1,0",
		"ZE_FLAT_DEVICE_HIERARCHY=COMPOSITE ZE_AFFINITY_MASK=3":     "ZE_AFFINITY_MASK names the GPU 3, which is not there",
		"ZE_FLAT_DEVICE_HIERARCHY=FLAT ZE_AFFINITY_MASK=3":          "c; ZE_AFFINITY_MASK=0",
	} {
		if got := result(Intel(gpus, strings.Fields(environ))); got != want {
			t.Errorf("%s: %q, not %q", environ, got, want)
		}
	}
	_, _, err := Intel(gpus, []string{"ZE_AFFINITY_MASK=9"})
	if text := hint.Of(err); !strings.Contains(text, "5 may be used") {
		t.Error(text)
	}
}
