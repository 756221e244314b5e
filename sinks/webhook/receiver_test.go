package webhook_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// receiver answers requests. It is an http.RoundTripper.
type receiver struct {
	answer func(business string, n int) (status int, after time.Duration) // n: requests so far
	header http.Header

	mu       sync.Mutex
	requests int
	ids      []string            // of all that it took, in the order of their arrival
	of       map[string][]string // by business
	open     map[string]int      // requests in flight by business
	together int                 // the most of a business
	most     int                 // the most in flight
	now      int
	bodies   [][]byte
	heads    []http.Header
}

func newReceiver() *receiver { return &receiver{of: map[string][]string{}, open: map[string]int{}} }

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var e struct {
		ID   string `json:"id"`
		Data struct {
			WABA string `json:"waba_id"`
		} `json:"data"`
		Entry []struct {
			ID string `json:"id"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, err
	}
	business := e.Data.WABA
	if len(e.Entry) > 0 {
		business = e.Entry[0].ID
	}
	r.mu.Lock()
	r.requests++
	n := r.requests
	r.open[business]++
	r.now++
	r.together, r.most = max(r.together, r.open[business]), max(r.most, r.now)
	answer := r.answer
	r.mu.Unlock()
	status, after := 200, 20*time.Millisecond
	if answer != nil {
		status, after = answer(business, n)
	}
	timer := time.NewTimer(after)
	defer timer.Stop()
	select {
	case <-req.Context().Done():
		err = req.Context().Err()
	case <-timer.C:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[business]--
	r.now--
	if err != nil {
		return nil, err
	}
	if status/100 == 2 {
		r.ids = append(r.ids, e.ID)
		r.of[business] = append(r.of[business], e.ID)
		r.bodies, r.heads = append(r.bodies, body), append(r.heads, req.Header.Clone())
	}
	if status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	h := r.header.Clone()
	if h == nil {
		h = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader("")), Request: req}, nil
}

// accepted returns the ids of all accepted events, in the order of their arrival.
func (r *receiver) accepted() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ids)
}

// byBusiness returns the ids of all accepted events by business.
func (r *receiver) byBusiness() map[string][]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := map[string][]string{}
	for business, ids := range r.of {
		of[business] = slices.Clone(ids)
	}
	return of
}

// messages returns the bodies and headers of the accepted requests.
func (r *receiver) messages() ([][]byte, []http.Header) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.bodies), slices.Clone(r.heads)
}

// peaks returns the most requests in flight of a business, and of all.
func (r *receiver) peaks() (together, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.together, r.most
}

// sends sets a header of the answers.
func (r *receiver) sends(h http.Header) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.header = h
}

func (r *receiver) took() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ids)
}

func (r *receiver) asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests
}

func (r *receiver) answers(f func(business string, n int) (int, time.Duration)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}
