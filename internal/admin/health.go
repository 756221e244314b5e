package admin

import (
	"errors"
	"sync"
)

// Health has the readiness of the parts. The zero value has no parts and is not ready, because the process has not
// started yet.
type Health struct {
	mu       sync.Mutex
	order    []string
	parts    map[string]func() error
	optional map[string]bool
	draining bool
	held     bool
}

var (
	errDraining = errors.New("draining")
	errStarting = errors.New("starting")
)

// Add registers a part. ready is called at each probe, possibly in parallel. Its error is the reason why the part is not
// ready.
func (h *Health) Add(name string, ready func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.parts == nil {
		h.parts = map[string]func() error{}
	}
	if _, ok := h.parts[name]; !ok {
		h.order = append(h.order, name)
	}
	h.parts[name] = ready
}

// AddOptional registers a part whose error is reported while the process stays ready.
func (h *Health) AddOptional(name string, ready func() error) {
	h.Add(name, ready)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.optional == nil {
		h.optional = map[string]bool{}
	}
	h.optional[name] = true
}

// Hold makes the process not ready until release is called, because it is still starting.
func (h *Health) Hold() (release func()) {
	h.hold(true)
	return func() { h.hold(false) }
}

func (h *Health) hold(held bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = held
}

// Drain makes the process not ready until its end.
func (h *Health) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

// Part is the readiness of one part.
type Part struct {
	Name     string `json:"name"`
	Ready    bool   `json:"ready"`
	Optional bool   `json:"optional,omitempty"` // the process is ready without it
	Error    string `json:"error,omitempty"`
}

// Report is the readiness of the process.
type Report struct {
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
	Parts  []Part `json:"parts"`
}

// WithoutReasons returns the report for requests without full access.
func (r Report) WithoutReasons() Report {
	parts := make([]Part, len(r.Parts))
	for i, p := range r.Parts {
		parts[i] = Part{Name: p.Name, Ready: p.Ready}
	}
	return Report{Ready: r.Ready, Parts: parts}
}

// Report asks every part.
func (h *Health) Report() Report {
	h.mu.Lock()
	order, draining, held := append([]string(nil), h.order...), h.draining, h.held
	parts, optional := make([]func() error, len(order)), make([]bool, len(order))
	for i, name := range order {
		parts[i], optional[i] = h.parts[name], h.optional[name]
	}
	h.mu.Unlock()

	r := Report{Ready: !draining, Parts: make([]Part, len(order))}
	if draining {
		r.Reason = errDraining.Error()
	}
	for i, ready := range parts {
		r.Parts[i] = Part{Name: order[i], Ready: true, Optional: optional[i]}
		if err := ready(); err != nil {
			r.Parts[i].Ready, r.Parts[i].Error = false, err.Error()
			if r.Ready && !optional[i] {
				r.Ready, r.Reason = false, order[i]+": "+err.Error()
			}
		}
	}
	if r.Ready && (held || len(parts) == 0) {
		r.Ready, r.Reason = false, errStarting.Error()
	}
	return r
}
