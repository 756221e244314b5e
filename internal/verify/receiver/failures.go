package receiver

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/coexstream/coexstream/internal/invalid"
)

// Failures are what the receiver does wrong on purpose. Rates are shares of the requests.
type Failures struct {
	Seed   uint64
	Errors float64       // answered with 5xx or 429
	Silent float64       // read, and never answered
	Cut    float64       // read, and the connection is closed without an answer
	Delay  time.Duration // greatest time before an answer, drawn for each one
}

// Validate returns an error that names the flag, its value, and the allowed values.
func (f *Failures) Validate() error {
	for _, r := range []struct {
		name string
		rate float64
	}{{"fail-rate", f.Errors}, {"silent-rate", f.Silent}, {"cut-rate", f.Cut}, {"fail-rate, silent-rate and cut-rate together", f.Errors + f.Silent + f.Cut}} {
		if !(r.rate >= 0 && r.rate <= 1) {
			return invalid.Value(r.name, r.rate, "0 to 1")
		}
	}
	if f.Delay < 0 {
		return invalid.Value("delay", f.Delay, "0 or more")
	}
	return nil
}

// fate is what happens to a request with a valid signature.
type fate struct {
	status int // 0: no answer
	silent bool
	after  time.Duration
}

var failureStatuses = []int{
	http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusTooManyRequests,
}

// dice chooses how each request fails. The seed and the number of the request decide it.
type dice struct {
	f   Failures
	mu  sync.Mutex
	rng *rand.Rand
}

func newDice(f Failures) *dice { return &dice{f: f, rng: rand.New(rand.NewPCG(f.Seed, 0x2ec))} }

func (d *dice) next() fate {
	d.mu.Lock()
	defer d.mu.Unlock()
	draw, kind, wait := d.rng.Float64(), d.rng.IntN(len(failureStatuses)), d.rng.Float64()
	out := fate{status: http.StatusOK, after: time.Duration(wait * float64(d.f.Delay))}
	switch {
	case draw < d.f.Errors:
		out.status = failureStatuses[kind]
	case draw < d.f.Errors+d.f.Silent:
		out.status, out.silent = 0, true
	case draw < d.f.Errors+d.f.Silent+d.f.Cut:
		out.status = 0
	}
	return out
}
