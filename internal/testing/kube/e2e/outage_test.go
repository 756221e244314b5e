package e2e_test

import (
	"testing"

	"github.com/coexstream/coexstream/internal/testing/kube"
)

// The spools are on volumes of their own, so the webhooks outlive their pods.
func TestAcknowledgedWebhooksOutliveAllIngressPodsWhileKafkaIsAway(t *testing.T) {
	node := kube.Test(t)
	k := startKafka(t)
	r := installProduction(t, node, k, "outage", "--set", "preStopSeconds=1")
	if err := k.Broker(0).Kill(); err != nil {
		t.Fatal(err)
	}
	w := k.world(r)
	w.simulate("--seed", "13", "--businesses", "1", "--messages", "300", "--live", "100") // it fails unless each webhook gets a 200

	before := r.pods("ingress")
	node.Kubectl(t, "delete", "pods", "--namespace", r.namespace, "--selector", "app.kubernetes.io/component=ingress", "--wait", "--timeout=120s")
	if err := k.Broker(0).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.until("other ingress pods are ready", func() (bool, string) {
		now := r.pods("ingress")
		for uid := range now {
			if _, same := before[uid]; same || !now[uid] {
				return false, "" // the end of the test describes the pods
			}
		}
		return len(now) == len(before), ""
	})
	w.check()
}
