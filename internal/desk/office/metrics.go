package office

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coexstream/coexstream/internal/desk"
)

type metrics struct {
	requests   *prometheus.CounterVec
	unreadable prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, o *Office) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coexstream_desk_requests_total", Help: "Ended attempts to request a sync, by type (contacts, history) and outcome.",
		}, []string{"type", "outcome"}),
		unreadable: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "coexstream_desk_unreadable_entries_total", Help: "Entries of the log of the desk that cannot be read. They are skipped.",
		}),
	}
	gauge := func(name, help string, f func([]desk.Number, time.Time) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return f(o.numbers(), o.Now()) })
	}
	count := func(verb desk.Verb) func([]desk.Number, time.Time) float64 {
		return func(ns []desk.Number, now time.Time) float64 {
			sum := 0
			for i := range ns {
				if ns[i].Next(now).Verb == verb {
					sum++
				}
			}
			return float64(sum)
		}
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.requests, m.unreadable,
		gauge("coexstream_desk_undecided_numbers", "Numbers whose sync waits for the decision of a person.", count(desk.Person)),
		gauge("coexstream_desk_waiting_numbers", "Numbers whose sync is not requested yet and will be tried again.", count(desk.Wait)),
		gauge("coexstream_desk_deadline_seconds", "Least time until the end of the 24 hours of a number whose syncs are not all requested. 86400: there is none.", leastTime),
	} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

func leastTime(ns []desk.Number, now time.Time) float64 {
	least := desk.Window
	for i := range ns {
		n := &ns[i]
		if d := n.Deadline(); !d.IsZero() && n.Next(now).Verb != desk.Nothing && now.Before(d) {
			least = min(least, d.Sub(now))
		}
	}
	return least.Seconds()
}
