package ingress

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/seed"
)

func address(i int) clientAddress {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
}

// pass lets time go by for an allowance.
func (a *allowance) pass(d time.Duration) { a.begun = a.begun.Add(-d) }

// In any time there are at most as many failures as the rate and the burst allow, plus the last one that was let in. Below
// the rate nothing is refused.
func TestAllowanceBoundsWhatIsWrongInAnyTime(t *testing.T) {
	seed := seed.Of(t)
	rng := rand.New(rand.NewPCG(seed, 0))
	const perClient, perAll = 5.0, 40.0
	a := newAllowance(perClient, perAll, 2*time.Second, 3*time.Second)
	type charge struct {
		at     time.Duration
		client int
		n      int
	}
	var charges []charge
	at := time.Duration(0)
	for range 5000 {
		d := time.Duration(rng.IntN(int(60 * time.Millisecond)))
		at += d
		a.pass(d)
		client := rng.IntN(12)
		if a.exhausted(address(client)) != limitNone {
			continue
		}
		n := 1 + rng.IntN(3)
		a.charge(address(client), n)
		charges = append(charges, charge{at, client, n})
	}
	for i := range charges {
		all, own := 0, 0
		for _, c := range charges[i:] {
			all += c.n
			if c.client == charges[i].client {
				own += c.n
			}
			// Real time goes by as well while the test runs: a second is allowed for it.
			span := (c.at - charges[i].at + time.Second).Seconds()
			if float64(all) > perAll*(span+3)+3 || float64(own) > perClient*(span+2)+3 {
				t.Fatalf("%d in all, %d of a client in %.1f s", all, own, span)
			}
		}
	}
	if len(charges) < 100 {
		t.Errorf("only %d were let in", len(charges))
	}
	patient := newAllowance(perClient, perAll, 2*time.Second, 3*time.Second)
	for i := range 1000 {
		patient.pass(time.Second / perClient)
		if got := patient.exhausted(address(1)); got != limitNone {
			t.Fatalf("the patient one, %d: limit %d", i, got)
		}
		patient.charge(address(1), 1)
	}
}

func TestAllowanceOfOneClientIsNotThatOfAnother(t *testing.T) {
	a := newAllowance(1, 0, time.Second, time.Second)
	a.charge(address(1), 100)
	if a.exhausted(address(1)) != limitClient {
		t.Error("the client is not limited")
	}
	free := 0
	for i := range 1000 {
		if a.exhausted(address(2+i)) == limitNone {
			free++
		}
	}
	if free < 995 { // a cell is shared by one in 4096
		t.Errorf("%d of 1000 others are free", free)
	}
	a.pass(99 * time.Second)
	if a.exhausted(address(1)) != limitNone {
		t.Error("the client is limited for longer than its use is spread")
	}
}

func TestKnownClientsAreBoundedAndTheLastOneStays(t *testing.T) {
	k := newKnownClients()
	for i := range 100_000 {
		k.add(address(i))
		if !k.has(address(i)) {
			t.Fatal("the last one is not known")
		}
	}
	known := 0
	for i := range 100_000 {
		if k.has(address(i)) {
			known++
		}
	}
	if known > allowanceCells || known < allowanceCells/2 {
		t.Errorf("%d are known", known)
	}
	if k.has(address(1_000_000)) {
		t.Error("a stranger is known")
	}
	few := newKnownClients()
	for i := range 300 {
		few.add(address(i))
	}
	known = 0
	for i := range 300 {
		if few.has(address(i)) {
			known++
		}
	}
	if known < 299 {
		t.Errorf("of 300 clients only %d are known", known)
	}
}
