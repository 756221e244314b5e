package e2e_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/internal/testing/kube"
)

// The commands are those of docs/kubernetes.md, "A trial".
func TestMinimalProfileTakesWebhooksWithinAMinute(t *testing.T) {
	node := kube.Test(t)
	r := install(t, node, "trial", "minimal")
	r.readyWithoutWarning()

	log := node.Kubectl(t, "logs", "--namespace", r.namespace, "trial-coexstream-0")
	secret := regexp.MustCompile(`app secret +(\S+)`).FindStringSubmatch(log)
	if secret == nil {
		t.Fatalf("the first start prints no secret:\n%s", log)
	}
	if status := r.post("trial-coexstream", "/webhooks/meta", secret[1], hello); status != 200 {
		t.Fatalf("a signed webhook gets status %d", status)
	}
	if status := r.post("trial-coexstream", "/webhooks/meta", "another secret", hello); status != 401 {
		t.Errorf("a webhook with a wrong signature gets status %d", status)
	}
	program := []string{"exec", "--namespace", r.namespace, "trial-coexstream-0", "--", "/coexstream"}
	r.until("the event of the webhook is in the topic", func() (bool, string) {
		events := node.Kubectl(t, append(program, "tail", "messages", "--from-beginning", "--no-follow", "--output", "json")...)
		return strings.Contains(events, "wamid.EXAMPLE1"), events
	})
	node.Kubectl(t, append(program, "simulate", "--seed", "11", "--businesses", "2", "--messages", "2000", "--live", "200", "--truth", "/data/truth.jsonl")...)
	t.Log(node.Kubectl(t, append(program, "check", "--truth", "/data/truth.jsonl")...))
}
