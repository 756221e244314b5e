package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var wholeWorld = plannedWorld{brokers: brokerCount, disk: true, tables: true}

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

func TestWithoutADiskNoneIsFilled(t *testing.T) {
	for seed := range uint64(50) {
		for _, f := range plan(seed, 3*time.Minute, plannedWorld{brokers: brokerCount, tables: true}) {
			if f.kind == kindFull {
				t.Fatalf("seed %d: %s", seed, f)
			}
		}
	}
}
