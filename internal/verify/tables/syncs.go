package tables

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/twmb/franz-go/pkg/kgo"
)

// syncs is the view sync_status: the history syncs, with the requests of the desk.
const syncs = "sync_status"

// syncValue is the value of a record on `syncs`, read by the names of the contract.
type syncValue struct {
	Window            int64     `json:"window"`
	State             string    `json:"state"`
	Messages          int64     `json:"messages"`
	Status            string    `json:"status"`
	OnboardedAt       time.Time `json:"onboarded_at"`
	RequestedAt       time.Time `json:"requested_at"`
	RequestDeadlineAt time.Time `json:"request_deadline_at"`
	Error             []struct {
		Code int64 `json:"code"`
	} `json:"error"`
	Requests []struct {
		SyncType    string `json:"sync_type"`
		State       string `json:"state"`
		RequestedBy string `json:"requested_by"`
		Error       struct {
			Code int64 `json:"code"`
		} `json:"error"`
	} `json:"requests"`
}

// syncKey is a window of a number, as one partition has it. Window 0 is the newest tombstone there.
type syncKey struct {
	number    string
	window    int64
	partition int32
}

type syncRow struct {
	offset int64
	value  string
}

// sync takes a record of `syncs`: the newest one of a window counts.
func (r *rows) sync(rec *kgo.Record) error {
	key := syncKey{clean(string(rec.Key)), 0, rec.Partition}
	row := syncRow{offset: rec.Offset}
	if len(rec.Value) > 0 {
		var s syncValue
		if err := json.Unmarshal(rec.Value, &s, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
			return err
		}
		key.window, row.value = s.Window, s.row()
	}
	if before, ok := r.syncs[key]; !ok || before.offset < rec.Offset {
		r.syncs[key] = row
	}
	return nil
}

func (s *syncValue) row() string {
	by, code := "", int64(0)
	for _, q := range s.Requests {
		if q.SyncType == "history" {
			by = q.RequestedBy
			if q.State == "refused" {
				code = q.Error.Code
			}
		}
	}
	if len(s.Error) > 0 {
		code = s.Error[0].Code
	}
	return syncText(clean(s.State), clean(s.Status), s.Messages, unix(s.OnboardedAt), unix(s.RequestedAt), unix(s.RequestDeadlineAt), clean(by), code)
}

func syncText(state, status string, messages, onboarded, requested, deadline int64, by string, code int64) string {
	return fmt.Sprintf("%s, status %q, %d messages, onboarded %d, requested %d by %q until %d, code %d", state, status, messages, onboarded, requested, by, deadline, code)
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// foldSyncs makes the rows of the syncs that no tombstone withdrew. A number may stand in two partitions for a while: either row is right.
func (r *rows) foldSyncs() {
	for key, row := range r.syncs {
		if gone, ok := r.syncs[syncKey{key.number, 0, key.partition}]; key.window > 0 && (!ok || gone.offset < row.offset) {
			r.at(syncs, key.number, strconv.FormatInt(key.window, 10)).take(0, row.value, 0)
		}
	}
}

// outlived reports whether a row of a sync may have outlived its record: the topic keeps the newest record of a number alone.
func (r *rows) outlived(key string) bool {
	number, window, _ := strings.Cut(key, " ")
	for k := range r.syncs {
		if w, err := strconv.ParseInt(window, 10, 64); k.number == number && err == nil && k.window > w {
			return true
		}
	}
	return false
}

// syncQuery reads the view, with the columns of syncText behind the key.
func (d *Dialect) syncQuery() string {
	at := func(column string) string { return "COALESCE(" + d.Unix(column) + ", 0)" }
	return "SELECT phone_number_id, " + d.Window + ", state, status, messages, " + at("onboarded_at") + ", " + at("requested_at") + ", " + at("request_deadline_at") +
		", requested_by, error_code FROM sync_status"
}
