package chart

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The desk has its tokens by reference, a Service, and egress to the provider's API. Beside it, the media sink has tokens. The other roles have none of the three.
func TestTheDeskHasTokensAndTheWayToTheProvider(t *testing.T) {
	helm := helm(t)
	for _, c := range []struct {
		profile string
		flags   []string
		kind    string // of the workload
		name    string
		service string
	}{
		{"everything", nil, "Deployment", "coex-coexstream-desk", "coex-coexstream-desk"},
		{"minimal", []string{"--set", "desk.enabled=true", "--set", "desk.tokens[0].provider=meta", "--set", "desk.tokens[0].secretName=coexstream-tokens-meta"}, "StatefulSet", "coex-coexstream", "coex-coexstream"},
	} {
		rendered, err := render(t, helm, c.profile, c.flags...)
		if err != nil {
			t.Fatal(err)
		}
		var with, services, policies []string
		for _, o := range objects(t, rendered) {
			var spec bytes.Buffer
			if err := yaml.NewEncoder(&spec).Encode(&o.Spec); err != nil {
				t.Fatal(err)
			}
			switch {
			case strings.Contains(spec.String(), "coexstream-tokens-meta"):
				with = append(with, o.Kind+" "+o.Metadata.Name)
				for _, want := range []string{"mountPath: /run/secrets/coexstream-tokens/meta", "defaultMode: 288"} {
					if !strings.Contains(spec.String(), want) {
						t.Errorf("%s: %s lacks %q\n%s", c.profile, o.Metadata.Name, want, spec.String())
					}
				}
			case o.Kind == "Service" && o.Metadata.Name == c.service:
				services = append(services, o.Metadata.Name)
			case o.Kind == "NetworkPolicy" && strings.Contains(spec.String(), "port: 443") && strings.Contains(spec.String(), "component: "+o.Metadata.Labels["app.kubernetes.io/component"]):
				policies = append(policies, o.Metadata.Labels["app.kubernetes.io/component"])
			case o.Kind == "ConfigMap" && o.Data["coexstream.yaml"] != "" && !strings.HasSuffix(o.Metadata.Name, "-topics"):
				if !strings.Contains(o.Data["coexstream.yaml"], "tokens_dir: /run/secrets/coexstream-tokens") {
					t.Errorf("%s: the configuration has no folder of tokens:\n%s", c.profile, o.Data["coexstream.yaml"])
				}
			}
		}
		with = slices.DeleteFunc(with, func(name string) bool { return strings.HasSuffix(name, "-sink-media") }) // it has them, too
		if !slices.Equal(with, []string{c.kind + " " + c.name}) || len(services) != 1 {
			t.Errorf("%s: tokens in %q, services %q", c.profile, with, services)
		}
		if want := map[string]string{"everything": "desk", "minimal": "up"}[c.profile]; !slices.Contains(policies, want) {
			t.Errorf("%s: egress to port 443 for %q, not for %s", c.profile, policies, want)
		}
	}
	rendered, err := render(t, helm, "minimal")
	if err != nil || strings.Contains(rendered, "coexstream-tokens") || strings.Contains(rendered, "port: 443") {
		t.Errorf("without a desk: %v\n%s", err, rendered)
	}
	if _, err := render(t, helm, "everything", "--set", "desk.tokens[0].provider=ycloud"); err == nil {
		t.Error("a provider without a call for syncs passes")
	}
	if _, err := render(t, helm, "minimal", "--set", "desk.tokens[0].provider=meta"); err == nil || !strings.Contains(err.Error(), "secretName or csi is needed") {
		t.Errorf("tokens without a reference: %v", err)
	}
}
