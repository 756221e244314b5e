package e2e_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/kube"
)

// An ingress is removed while Kafka is away. Its spool stays on a volume that no pod mounts, and a CronJob hands it over.
func TestScalingAnIngressDownStrandsNothing(t *testing.T) {
	node := kube.Test(t)
	k := startKafka(t)
	r := installProduction(t, node, k, "scaledown", "--set", "preStopSeconds=1,ingress.spool.drain.timeout=20s", "--set-string", "ingress.spool.drain.schedule=* * * * *")
	if jobs := r.list("cronjobs").Items; len(jobs) > 0 {
		t.Errorf("%d CronJobs although each volume has its ingress", len(jobs))
	}
	if err := k.Broker(0).Kill(); err != nil {
		t.Fatal(err)
	}
	w := k.world(r)
	w.simulate("--seed", "14", "--businesses", "4", "--messages", "300", "--live", "200") // it fails unless each webhook gets a 200
	removed := r.name() + "-ingress-1"
	spool := node.Kubectl(t, "exec", "--namespace", r.namespace, removed, "--", "/coexstream", "spool", "list")
	if waiting := regexp.MustCompile(`(\d+) records wait for Kafka`).FindStringSubmatch(spool); waiting == nil || waiting[1] == "0" {
		t.Fatalf("the spool of the ingress that goes has nothing, so this test shows nothing:\n%s", spool)
	}

	r.helm("upgrade", "--set", "ingress.replicas=1,topics.create=false") // the topics job would need Kafka
	node.Kubectl(t, "wait", "--namespace", r.namespace, "--for=delete", "pod/"+removed, "--timeout=120s")
	drain := r.name() + "-drain-1"
	succeeded := func() string {
		return node.Kubectl(t, "get", "cronjob", drain, "--namespace", r.namespace, "--output", "jsonpath={.status.lastSuccessfulTime}")
	}
	before := succeeded() // a run beside the ingress leaves the folder to it
	if err := k.Broker(0).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.until("the job has drained the volume", func() (bool, string) {
		now := succeeded()
		return strings.TrimSpace(now) != "" && now != before, now
	})
	w.check()

	// The ingress returns to its volume. The job is gone, and the volume is not used by two.
	r.helm("upgrade")
	if jobs := r.list("cronjobs").Items; len(jobs) > 0 {
		t.Errorf("%d CronJobs although each volume has its ingress again", len(jobs))
	}
	if ready := r.pods("ingress"); len(ready) != 2 {
		t.Errorf("%d ingresses, want 2", len(ready))
	}
}
