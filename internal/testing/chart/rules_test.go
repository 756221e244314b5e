package chart

import (
	"fmt"
	"slices"
	"testing"
)

// The PrometheusRule has the alerts, the objectives, and how many processes the chart runs.
func TestPrometheusRuleHasTheExpectedReplicas(t *testing.T) {
	helm := helm(t)
	for _, c := range []struct {
		profile string
		flags   []string
		want    []string
	}{
		{"everything", []string{"--set", "ingress.autoscaling.enabled=true,ingress.autoscaling.minReplicas=4,processor.autoscaling.enabled=false,processor.replicas=3"}, []string{"ingress vector(4)", "processor vector(3)"}},
		{"production", []string{"--set", "prometheusRule.enabled=true,processor.enabled=false,ingress.replicas=5,ingress.autoscaling.enabled=false"}, []string{"ingress vector(5)"}},
		{"minimal", []string{"--set", "prometheusRule.enabled=true"}, []string{"ingress vector(1)", "processor vector(1)"}},
	} {
		rendered, err := render(t, helm, c.profile, c.flags...)
		if err != nil {
			t.Fatal(err)
		}
		var names, expected []string
		for _, o := range objects(t, rendered) {
			if o.Kind != "PrometheusRule" {
				continue
			}
			var spec struct {
				Groups []struct {
					Name  string
					Rules []struct {
						Record, Expr string
						Labels       map[string]string
					}
				}
			}
			if err := o.Spec.Decode(&spec); err != nil {
				t.Fatal(err)
			}
			for _, g := range spec.Groups {
				if names = append(names, g.Name); g.Name != "coexstream-expected" {
					continue
				}
				for _, r := range g.Rules {
					expected = append(expected, fmt.Sprintf("%s %s", r.Labels["role"], r.Expr))
					if r.Record != "coexstream_expected_replicas" || r.Labels["namespace"] != "messaging" || r.Labels["installation"] != "messaging.coex-coexstream" {
						t.Errorf("%s: %+v", c.profile, r)
					}
				}
			}
		}
		slices.Sort(names)
		if len(names) < 10 || len(slices.Compact(slices.Clone(names))) != len(names) || !slices.Contains(names, "sloth-slo-alerts-coexstream-webhooks") {
			t.Errorf("%s: groups %v", c.profile, names)
		}
		if !slices.Equal(expected, c.want) {
			t.Errorf("%s: expected replicas %v, want %v", c.profile, expected, c.want)
		}
	}
}
