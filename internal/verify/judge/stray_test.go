package judge

import (
	"strconv"
	"testing"

	"github.com/coexstream/coexstream/internal/verify/truth"
	"github.com/coexstream/coexstream/schemas"
)

// A bare decline lands in the partition of the number's id. Once the number's WABA is known, its sync stands in the
// WABA's partition alone.
func TestASyncStandsInOnePartition(t *testing.T) {
	body := func(s *script, part truth.Part) {
		b := []byte{byte('0' + s.bodies)}
		s.s.lines = append(s.s.lines,
			truth.Line{Body: &truth.Body{Index: s.bodies, Hash: truth.Sum(b), Length: len(b), Parts: []truth.Part{part}}},
			truth.Line{Sent: &truth.Sent{Body: s.bodies, Acked: true}})
		s.s.raw = append(s.s.raw, Record{Topic: schemas.TopicRawBulk, Offset: int64(s.bodies), Value: b, Headers: []Header{
			{schemas.HeaderSource, []byte("s")}, {schemas.HeaderProvider, []byte("meta")}, {schemas.HeaderRequestID, []byte("r")},
			{schemas.HeaderReceivedAt, strconv.AppendInt(nil, start.UnixMilli(), 10)},
		}})
		s.bodies++
	}
	sync := func(s *script, waba string) {
		v := (&schemas.Sync{WABAID: waba, PhoneNumberID: handNumber, DisplayPhoneNumber: "15550000001", Window: 1, State: schemas.SyncDeclined}).AppendJSON(nil)
		at := waba
		if at == "" {
			at = handNumber
		}
		s.s.events = append(s.s.events, Record{Topic: schemas.TopicSyncs, Partition: partitionOf(at, partitions), Key: []byte(handNumber), Value: v, Headers: ce(schemas.TypeSync, "sync of "+at)})
	}
	gone := func(s *script) {
		s.s.events = append(s.s.events, Record{Topic: schemas.TopicSyncs, Partition: partitionOf(handNumber, partitions), Key: []byte(handNumber), Headers: ce(schemas.TypeSyncRemoved, "gone")})
	}
	for name, test := range map[string]struct {
		known bool // a body names the number with its WABA
		play  func(*script)
		want  int // faults in the table, or lost
	}{
		"with its WABA":                    {true, func(s *script) { sync(s, handWABA) }, 0},
		"moved":                            {true, func(s *script) { sync(s, ""); gone(s); sync(s, handWABA) }, 0},
		"moved, read in another order":     {true, func(s *script) { sync(s, handWABA); sync(s, ""); gone(s) }, 0},
		"not known":                        {false, func(s *script) { sync(s, "") }, 0},
		"in two partitions":                {true, func(s *script) { sync(s, ""); sync(s, handWABA) }, 1},
		"without its WABA, which is known": {true, func(s *script) { sync(s, "") }, 1},
		"gone, and not told with its WABA": {true, func(s *script) { sync(s, ""); gone(s) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			body(s, truth.Part{Kind: truth.KindDecline, NoWABA: true})
			if test.known {
				body(s, truth.Part{Kind: truth.KindContact})
			}
			test.play(s)
			v := judgement(t, &s.s, options())
			tv := v.Topics[0]
			for _, other := range v.Topics {
				if other.Topic == schemas.TopicSyncs.String() {
					tv = other
				}
			}
			if got := tv.Faults[WrongTable] + tv.Faults[Lost]; got != test.want || v.Faults != got {
				t.Errorf("%d faults, want %d\n%s", got, test.want, show(v))
			}
		})
	}
}
