package e2e_test

import (
	"fmt"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/kube"
)

// small makes the pods of a profile fit a node of two CPUs, whose Kafka is one broker.
var small = []string{
	"--set", "config.kafka.brokers={" + fmt.Sprintf("%s:%d", kube.Address, podsPort) + "}",
	"--set", "config.kafka.replication_factor=1,config.kafka.min_insync_replicas=1",
	"--set", "ingress.resources.requests.cpu=100m,ingress.resources.requests.memory=64Mi",
	"--set", "processor.resources.requests.cpu=100m,processor.resources.requests.memory=64Mi",
}

// installProduction installs the profile as docs/kubernetes.md does, "Installing".
func installProduction(t *testing.T, node *kube.Node, k kafka, namespace string, flags ...string) *release {
	t.Helper()
	r := prepared(t, node, namespace, "production", append(small, flags...)...)
	k.secrets(t, node, namespace)
	r.helm("install")
	return r
}

func TestProductionProfileDeliversEachWebhook(t *testing.T) {
	node := kube.Test(t)
	k := startKafka(t)
	r := installProduction(t, node, k, "production")
	r.readyWithoutWarning()
	if pods := r.list("pods", "--selector", "app.kubernetes.io/component in (ingress, processor)").Items; len(pods) != 4 {
		t.Errorf("%d pods, want two ingresses and two processors", len(pods))
	}
	w := k.world(r)
	w.simulate("--seed", "12", "--businesses", "3", "--messages", "3000", "--live", "300")
	w.check()
}
