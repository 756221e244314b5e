package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var wholeWorld = plannedWorld{brokers: brokerCount, disk: true, tables: true, targets: true}

func TestPlanIsAFunctionOfItsSeed(t *testing.T) {
	const length = 5 * time.Minute
	one := plan(7, length, wholeWorld)
	if !reflect.DeepEqual(one, plan(7, length, wholeWorld)) {
		t.Error("the same seed gave two plans")
	}
	if reflect.DeepEqual(one, plan(8, length, wholeWorld)) {
		t.Error("two seeds gave one plan")
	}
	if len(one) < 20 {
		t.Errorf("%d faults in %s", len(one), length)
	}
}

func TestFaultsThatExcludeEachOtherDoNotMeet(t *testing.T) {
	for seed := range uint64(200) {
		const length = 3 * time.Minute
		busy := map[string]time.Duration{}
		faults := plan(seed, length, wholeWorld)
		if !slices.IsSortedFunc(faults, func(a, b fault) int { return int(a.at - b.at) }) {
			t.Fatalf("seed %d: not in the order of time", seed)
		}
		for _, f := range faults {
			if f.at+f.length > length {
				t.Errorf("seed %d: %s is not over by %s", seed, f, length)
			}
			for _, lock := range f.locks() {
				if f.at < busy[lock] {
					t.Errorf("seed %d: %s begins while another fault of %s goes on until %s", seed, f, lock, busy[lock])
				}
				busy[lock] = f.at + f.length
			}
		}
	}
}

func TestEveryKindOfFaultIsPlanned(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(100) {
		for _, f := range plan(seed, 3*time.Minute, wholeWorld) {
			who, _, _ := strings.Cut(f.target, "-")
			seen[string(f.kind)+" "+who] = true
		}
	}
	for _, s := range shapes() {
		for _, target := range s.targets(wholeWorld) {
			who, _, _ := strings.Cut(target, "-")
			if !seen[string(s.kind)+" "+who] {
				t.Errorf("no plan has %s %s", s.kind, target)
			}
		}
	}
}

func TestWithoutTablesNoSinkHasAFault(t *testing.T) {
	for seed := range uint64(50) {
		for _, f := range plan(seed, 3*time.Minute, plannedWorld{brokers: brokerCount, disk: true}) {
			if strings.Contains(f.target, "sink") || f.target == postgresName {
				t.Fatalf("seed %d: %s", seed, f)
			}
		}
	}
}

func TestWithoutTargetsNoneHasAFault(t *testing.T) {
	for seed := range uint64(50) {
		for _, f := range plan(seed, 3*time.Minute, plannedWorld{brokers: brokerCount, disk: true, tables: true}) {
			for _, name := range []string{webhookPrefix, "archive-", receiverName, bucketName} {
				if strings.Contains(f.target, name) {
					t.Fatalf("seed %d: %s", seed, f)
				}
			}
		}
	}
}

// TestFaultsOfWebhookSinksAndOfKafkaAllowRepetitions: those of their receiver do not, because check sees lost answers.
func TestFaultsOfWebhookSinksAndOfKafkaAllowRepetitions(t *testing.T) {
	for target, want := range map[string]int{
		webhookName(1): 1, webhookName(2) + "~" + brokerName(0): 1, webhookName(2) + "~" + everyBroker: 1, webhookName(1) + "~" + receiverName: 0, receiverName: 0,
		brokerName(1): targetSinks, brokerName(1) + "~" + brokerName(2): targetSinks, brokerName(1) + "<" + everyBroker: targetSinks, archiveName(1): 0, processorName(1): 0, postgresName: 0,
	} {
		if n := restartsOf([]fault{{target: target}}); n != want {
			t.Errorf("a fault of %s counts as %d restarts, not %d", target, n, want)
		}
	}
}

func TestWithoutADiskNoneIsFilled(t *testing.T) {
	for seed := range uint64(50) {
		for _, f := range plan(seed, 3*time.Minute, plannedWorld{brokers: brokerCount, tables: true}) {
			if f.kind == kindFull {
				t.Fatalf("seed %d: %s", seed, f)
			}
		}
	}
}
