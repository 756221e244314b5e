package chart

import (
	"bytes"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The media sink has the tokens by reference, room for partial downloads, a group of its own, and the way to the provider. Links have a port, a Service
// and sources only where they are asked for.
func TestTheMediaSinkHasWhatItNeeds(t *testing.T) {
	helm := helm(t)
	for _, c := range []struct {
		what  string
		flags []string
		links bool
	}{
		{"with links", nil, true},
		{"without links", []string{"--set", "sinks.media.links.enabled=false"}, false},
	} {
		rendered, err := render(t, helm, "everything", c.flags...)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for _, o := range objects(t, rendered) {
			var text bytes.Buffer
			if err := yaml.NewEncoder(&text).Encode(&o.Spec); err != nil {
				t.Fatal(err)
			}
			found[o.Kind+" "+strings.TrimPrefix(o.Metadata.Name, "coex-coexstream-")] = text.String()
			if o.Kind == "ConfigMap" && o.Data["coexstream.yaml"] != "" && !strings.HasSuffix(o.Metadata.Name, "-topics") {
				var config struct {
					Sink struct {
						Media struct {
							Group  string `yaml:"group_id"`
							Listen string `yaml:"link_listen"`
						}
					}
				}
				if err := yaml.Unmarshal([]byte(o.Data["coexstream.yaml"]), &config); err != nil {
					t.Fatal(err)
				}
				if m := config.Sink.Media; !strings.HasSuffix(m.Group, ".sink-media") || (m.Listen == ":9095") != c.links {
					t.Errorf("%s: the configuration has %+v", c.what, m)
				}
			}
		}
		pod := found["Deployment sink-media"]
		for _, want := range []string{"secretName: coexstream-tokens-meta", "mountPath: /run/secrets/coexstream-tokens/meta", "sizeLimit: 2Gi", "mountPath: /run/secrets/coexstream/media"} {
			if !strings.Contains(pod, want) {
				t.Errorf("%s: the pod lacks %q\n%s", c.what, want, pod)
			}
		}
		if !strings.Contains(found["NetworkPolicy sink-media"], "port: 443") || strings.Contains(found["NetworkPolicy sink-media"], "Ingress") {
			t.Errorf("%s: its egress is %s", c.what, found["NetworkPolicy sink-media"])
		}
		service, policy := found["Service media-links"], found["NetworkPolicy media-links"]
		if (service != "") != c.links || (policy != "") != c.links || strings.Contains(pod, "containerPort: 9095") != c.links {
			t.Errorf("%s: service %q, policy %q\n%s", c.what, service, policy, pod)
		}
		if c.links && (!strings.Contains(policy, "kubernetes.io/metadata.name: gateway") || !strings.Contains(service, "port: 9095")) {
			t.Errorf("%s: service %s\npolicy %s", c.what, service, policy)
		}
	}
}
