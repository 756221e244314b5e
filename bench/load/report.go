package load

import "time"

// Report is the result of a Spec.
type Report struct {
	Elapsed  time.Duration `json:"elapsed_ns"` // from the first request to the last answer
	Requests int64         `json:"requests"`
	Acked    int64         `json:"acked"`
	Bytes    int64         `json:"bytes"`    // of acknowledged bodies
	Statuses map[int]int64 `json:"statuses"` // 0: no answer
	Error    string        `json:"error,omitempty"`

	Latency Latency            `json:"latency"` // of all answers
	Kinds   map[string]Latency `json:"kinds"`   // of each kind of the mix
	// Late is how far behind its time a request of the open loop was begun, because no connection was free or
	// the load itself had no time. It is part of Latency.
	Late Latency       `json:"late"`
	CPU  time.Duration `json:"cpu_ns"` // of the load's process while it ran

	// Sent counts the bodies of each connection, Unacked lists the sequence numbers of those that were not
	// acknowledged.
	Sent    []uint32   `json:"sent"`
	Unacked [][]uint32 `json:"unacked"`
}

// Rate is the acknowledged bodies a second.
func (r *Report) Rate() float64 { return float64(r.Acked) / r.Elapsed.Seconds() }
