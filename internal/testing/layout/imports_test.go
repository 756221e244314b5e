// Package layout holds the test that keeps the folders' import rules.
package layout_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/coexstream/coexstream/"

type goPackage struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p goPackage
		if err := dec.Decode(&p); err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages", len(all))
	}
	return all
}

// rules say what a folder may import of this module. The longest folder that fits a package rules it.
var rules = map[string][]string{
	"":        {"internal/app"},
	"schemas": {"schemas"},
	// The runtime, which composes the pure packages.
	"processors": {"schemas", "processors", "internal/kafka", "internal/contentcoding"},
	// The pure packages: no Kafka, no I/O.
	"processors/split":     {"schemas"},
	"processors/identity":  {},
	"processors/directory": {},
	"processors/people":    {"schemas", "processors/split", "processors/identity"},
	"processors/dedup":     {"schemas"},
	"processors/history":   {"schemas", "processors/dedup"},
	"processors/deferred":  {"schemas"},
	"processors/contacts":  {"schemas", "processors/split", "processors/identity", "processors/dedup"},
	"processors/media":     {"schemas", "processors/split", "processors/identity", "processors/dedup"},
	"processors/account":   {"schemas", "processors/split", "processors/identity"},
	"processors/partition": {"schemas", "processors/directory", "processors/split", "processors/identity", "processors/people", "processors/dedup", "processors/history", "processors/deferred", "processors/contacts", "processors/media", "processors/account"},
	"ingress":              {"ingress", "schemas", "internal/kafka", "internal/contentcoding", "internal/listen", "internal/private"}, // its packages: ingress_test.go
	// The sinks' runtime and its targets. The merge is pure; it compares ids as the processor does.
	"sinks":          {"schemas", "sinks", "internal/kafka"},
	"sinks/sinktest": {"schemas", "sinks", "internal/kafka", "internal/testing/seed"},
	"sinks/archive":  {"schemas", "sinks", "internal/kafka", "internal/archive"},
	"sinks/merge":    {"schemas", "processors/identity"},
	// The plan of the media sink is pure. Its positions are those of the webhook sink.
	"sinks/media":      {"schemas", "sinks", "internal/kafka", "internal/archive", "internal/graph", "internal/private"},
	"sinks/media/plan": {"schemas", "sinks/webhook/queue"},
	"sinks/media/link": {"sinks/media/plan", "internal/archive"},
	// The queue and the bodies of the webhook sink are pure, too.
	"sinks/webhook/queue":    {"schemas"},
	"sinks/webhook/envelope": {"schemas"},
	// A second opinion shares the contract and the readers of the log with what it checks, and nothing else.
	"internal/verify": {"internal/verify", "schemas", "internal/kafka", "internal/private"},
	"bench":           {"bench", "internal/verify", "schemas", "internal/kafka", "internal/private", "internal/testing/freeport"},
	// the benchmarks know the measured parts
	"bench/run":              {"bench", "internal/testing/freeport", "internal/verify", "schemas", "ingress", "processors/split", "internal/embedded", "internal/kafka", "internal/testing/kafkacluster", "internal/testing/postgresserver", "internal/archive"},
	"internal/kafka":         {"schemas"},
	"internal/contentcoding": {},
	"internal/deadletter":    {"schemas"},
	"internal/archive":       {"schemas", "internal/private"},
	"internal/replay":        {"schemas", "internal/kafka", "internal/archive", "internal/contentcoding", "processors/split", "processors/account", "processors/directory"},
	"internal/embedded":      {"schemas", "internal/kafka", "internal/listen", "internal/private"},
	"internal/config":        {"internal/listen", "schemas/provider"},
	"internal/admin":         {"internal/listen"},
	"internal/graph":         {"schemas/provider"},
	// The desk decides without effects; the office has them.
	"internal/desk":              {"schemas"},
	"internal/desk/office":       {"schemas", "internal/desk", "internal/graph", "internal/kafka"},
	"internal/testing/fakegraph": {},
	"internal/reload":            {},
	"internal/testing/certtest":  {},
	"internal/listen":            {},
	"internal/invalid":           {},
	"internal/private":           {},
	"internal/freespace":         {},
	"internal/testing/layout":    {},
	"internal/testing/crash":     {"bench/child"},
	// It plays a partition without Kafka.
	"internal/testing/hostile": {"schemas", "processors/split", "processors/partition"},
	// Generated types read what a partition makes of the golden webhooks, and reference libraries what the webhook sink signs.
	"internal/testing/generators": {"schemas", "processors/split", "processors/partition", "internal/testing/packages", "internal/testing/required", "sinks/webhook"},
	"internal/testing/chaos":      {"internal/verify", "schemas", "bench/child", "bench/tenant", "internal/testing/kafkacluster", "internal/testing/postgresserver", "internal/testing/required"},
	// Apache Kafka for tests; it may judge with what judges elsewhere.
	"internal/testing/kafkacluster": {"internal/kafka", "schemas", "internal/verify", "internal/testing/freeport", "internal/testing/required"},
	// Judgements know the configuration, and nobody to ask; only the probe does.
	"internal/doctor":           {"schemas", "internal/config"},
	"internal/doctor/probe":     {"schemas", "internal/doctor", "internal/config", "internal/kafka", "internal/deadletter", "internal/freespace"},
	"internal/testing/fuzzall":  {},
	"internal/testing/cost":     {"internal/testing/required"},
	"internal/testing/required": {},
	"internal/testing/packages": {"internal/testing/required"},
	"internal/testing/azurite":  {"internal/testing/packages"},
	"internal/testing/chart":    {"internal/testing/kube", "internal/testing/packages", "schemas/provider"},
	"internal/testing/kube":     {"internal/testing/packages", "internal/testing/required", "internal/testing/kafkacluster"},
	"internal/testing/seed":     {},
	"internal/testing/freeport": {},
	// PostgreSQL for tests.
	"internal/testing/postgresserver": {"internal/testing/freeport", "internal/testing/required"},
	// Only the application knows all.
	"internal/app": {"schemas", "ingress", "processors", "sinks", "internal"},
}

// Imports of tests beside those of their folder: of all folders, and of one.
var (
	testRules  = []string{"internal/testing/certtest", "internal/testing/cost", "internal/testing/freeport", "internal/testing/seed"}
	testRuleOf = map[string][]string{
		"internal/graph":                {"internal/testing/fakegraph"},                                                                  // a fake of the API
		"internal/desk/office":          {"internal/testing/fakegraph", "internal/embedded"},                                             // the same, and a broker
		"ingress":                       {"internal/embedded"},                                                                           // a test compares a 200 with the broker
		"processors":                    {"internal/embedded"},                                                                           // a broker repairs a batch for which a processor waits
		"sinks":                         {"internal/testing/postgresserver", "internal/embedded"},                                        // real ones
		"sinks/archive":                 {"internal/testing/azurite"},                                                                    // a cloud
		"internal/archive":              {"internal/testing/azurite", "internal/testing/packages"},                                       // the same, and databases
		"sinks/media":                   {"internal/testing/fakegraph"},                                                                  // a provider with faults
		"sinks/merge":                   {"sinks"},                                                                                       // worlds and their fold
		"internal/testing/layout":       {"schemas/provider"},                                                                            // which names there are
		"internal/testing/kafkacluster": {"internal/replay/replaytest", "internal/testing/postgresserver", "internal/testing/fakegraph"}, // a replay gives the same events there, too; a desk calls a fake
	}
)

func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// everywhere lists what all packages but schemas may import: it has no effects, and imports nothing of the module.
var everywhere = []string{"internal/invalid"}

func ruleOf(path string) (folder string, allowed []string) {
	allowed = rules[""]
	for f, a := range rules {
		if f != "" && within(path, f) && len(f) > len(folder) {
			folder, allowed = f, a
		}
	}
	if folder != "schemas" {
		allowed = slices.Concat(allowed, everywhere)
	}
	return folder, allowed
}

func TestPackagesImportOnlyWhatTheirFolderMay(t *testing.T) {
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath+"/", module)
		path = strings.TrimSuffix(path, "/")
		folder, allowed := ruleOf(path)
		ofTests := slices.Concat(allowed, testRules, testRuleOf[folder])
		for _, imp := range beyond(p.Imports, folder, allowed) {
			t.Errorf("%s imports %s; its folder %q may import only %v", path, imp, folder, allowed)
		}
		for _, imp := range beyond(slices.Concat(p.TestImports, p.XTestImports), folder, ofTests) {
			t.Errorf("a test of %s imports %s; those of its folder %q may import only %v", path, imp, folder, ofTests)
		}
	}
}

// beyond is those imports of this module that are neither of the folder nor allowed.
func beyond(imports []string, folder string, allowed []string) (refused []string) {
	for _, imp := range imports {
		imp, ours := strings.CutPrefix(imp, module)
		ok := !ours || folder != "" && within(imp, folder)
		for _, a := range allowed {
			ok = ok || within(imp, a)
		}
		if !ok {
			refused = append(refused, imp)
		}
	}
	return refused
}
