package desk

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// EntryKind says what an entry is about.
type EntryKind string

// The kinds of entries.
const (
	// Asked: somebody asked for syncs of a number.
	Asked EntryKind = "asked"
	// Step: a step of an attempt.
	Step EntryKind = "step"
	// Copied: the step of another entry is in the raw log. It is about no number, and counts always.
	Copied EntryKind = "copied"
)

// Entry is a record of the log.
type Entry struct {
	ID     string    `json:"id"`
	Kind   EntryKind `json:"kind"`
	Number string    `json:"phone_number_id,omitempty"`
	After  string    `json:"after,omitempty"` // id of the number's last entry that the writer saw; empty: none
	At     int64     `json:"at"`              // Unix milliseconds
	By     string    `json:"by,omitempty"`    // name of the token, or cli

	// Of Asked.
	WABA        string                 `json:"waba_id,omitempty"`
	Provider    string                 `json:"provider,omitempty"`
	OnboardedAt int64                  `json:"onboarded_at,omitempty"` // Unix milliseconds; 0: not known
	Types       []syncrequest.SyncType `json:"types,omitempty"`
	// New starts a new onboarding: the business was offboarded and onboarded again, at OnboardedAt.
	New bool `json:"new_onboarding,omitempty"`
	// Again allows one more attempt of the types, after any outcome of the former one. Reason says why.
	Again  bool   `json:"again,omitempty"`
	Reason string `json:"reason,omitempty"`

	// Of Step: the record for the raw log.
	Step json.RawMessage `json:"step,omitempty"`
	// Outcome is the reason of the state, in the words of package graph.
	Outcome string `json:"outcome,omitempty"`
	// RetryAt is the earliest time of the next attempt, in Unix milliseconds.
	RetryAt int64 `json:"retry_at,omitempty"`

	// Of Copied: the id of the entry.
	Of string `json:"of,omitempty"`

	record syncrequest.Record
}

// Record returns the record of a Step.
func (e *Entry) Record() syncrequest.Record { return e.record }

// SetRecord makes e a Step.
func (e *Entry) SetRecord(r syncrequest.Record) {
	e.Kind, e.Number, e.At, e.By = Step, r.PhoneNumberID, r.At, r.RequestedBy
	e.record, e.Step = r, r.Append(nil)
}

// Encode returns the entry as JSON.
func (e *Entry) Encode() ([]byte, error) { return json.Marshal(e) }

// DecodeEntry reads an entry.
func DecodeEntry(b []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(b, &e); err != nil {
		return e, errors.New("entry of the desk: the value is no valid JSON object")
	}
	if e.ID == "" {
		return e, errors.New("entry of the desk: id is missing")
	}
	if e.Kind == Step {
		r, err := syncrequest.Decode(e.Step)
		if err != nil {
			return e, fmt.Errorf("entry of the desk: %w", err)
		}
		if r.PhoneNumberID != e.Number {
			return e, errors.New("entry of the desk: the step is about another number")
		}
		e.record = r
	}
	return e, nil
}
