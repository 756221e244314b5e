package queue_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/webhook/queue"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestJudgementsOfAnswers(t *testing.T) {
	t.Parallel()
	want := map[queue.Fate][]int{
		queue.Delivered: {200, 201, 202, 204, 299},
		queue.Refused:   {400, 401, 403, 404, 405, 409, 413, 415, 422, 424, 426, 428, 451, 499},
		queue.Failed:    {0, 100, 199, 300, 301, 302, 307, 308, 399, 408, 425, 429, 500, 501, 502, 503, 504, 599, 600},
		queue.Gone:      {410},
	}
	for fate, statuses := range want {
		for _, s := range statuses {
			if got := queue.Judge(queue.Answer{Status: s}); got != fate {
				t.Errorf("%d is %s, want %s", s, got, fate)
			}
		}
	}
}

// TestPositionsSurviveTheirMetadata writes and reads random positions, and asks for each offset.
func TestPositionsSurviveTheirMetadata(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		next := rng.Int64N(1 << 40)
		p := queue.Position{Log: [16]byte{byte(rng.IntN(256)), 15: 7}, Next: next, End: next}
		open := map[int64]bool{}
		for at := next; len(p.Open) < rng.IntN(6); {
			r := queue.Range{From: at, To: at + 1 + rng.Int64N(3)}
			p.Open = append(p.Open, r)
			for o := r.From; o < r.To; o++ {
				open[o] = true
			}
			at = r.To + 1 + rng.Int64N(300)
			p.End = r.To
		}
		if len(p.Open) > 0 {
			p.End += rng.Int64N(200)
		}
		got, err := queue.ParsePosition(next, p.Metadata())
		if err != nil || got.Log != p.Log || got.Next != p.Next || got.End != p.End || !slices.Equal(got.Open, p.Open) {
			t.Fatalf("%+v became %+v, %v", p, got, err)
		}
		for o := next - 2; o < p.End+3; o++ {
			if want := o < next || o < p.End && !open[o]; got.Acknowledged(o) != want {
				t.Fatalf("%+v: offset %d is acknowledged: %v", p, o, !want)
			}
		}
	}
	for _, metadata := range []string{"", "by another program", "coex1 at=1"} {
		if p, err := queue.ParsePosition(7, metadata); err != nil || p.Next != 7 || p.End != 7 || len(p.Open) > 0 {
			t.Errorf("%q: %+v, %v", metadata, p, err)
		}
	}
	good := (&queue.Position{Next: 1, Open: []queue.Range{{From: 1, To: 2}}, End: 900}).Metadata()
	for _, metadata := range []string{"coexw1.", "coexw1.!", "coexw1.AAAA", good + "gA"} {
		if p, err := queue.ParsePosition(7, metadata); err == nil || p.Next != 7 || p.End != 7 {
			t.Errorf("%q: %+v, %v", metadata, p, err)
		}
	}
}

// The brokers refuse metadata of more than 4,096 bytes.
func TestMetadataOfAFullWindowFitsIntoACommit(t *testing.T) {
	t.Parallel()
	p := queue.Position{Next: 1 << 40}
	at := p.Next
	for range 512 + 128 {
		p.Open = append(p.Open, queue.Range{From: at, To: at + 1})
		at += 10_000
	}
	p.End = at
	if n := len(p.Metadata()); n > 4096 {
		t.Errorf("%d bytes", n)
	}
}

func limits() queue.Limits {
	return queue.Limits{
		InFlight: 4, EventsMax: 1, BytesMax: 1000, AttemptsMax: 3, HeldMax: 100, HeldBytes: 1 << 20,
		Delay: func(failures int) time.Duration { return time.Duration(failures) * time.Second },
	}
}

var messages = queue.Place{Topic: schemas.TopicMessages}

func live(t schemas.Topic) bool { return t == schemas.TopicMessages }

func item(p queue.Place, offset int64, business string, bytes int) *queue.Item {
	return &queue.Item{Place: p, Offset: offset, Business: business, Live: live(p.Topic), Bytes: bytes}
}

func owned(l queue.Limits) *queue.Queue {
	q := queue.New(l)
	q.Own(0, map[schemas.Topic]queue.Position{schemas.TopicMessages: {}, schemas.TopicHistory: {}}, live, false)
	return q
}

func add(t *testing.T, q *queue.Queue, p queue.Place, items ...*queue.Item) {
	t.Helper()
	from, ok := q.Wants(p)
	if !ok || !q.Add(p, from, items[len(items)-1].Offset+1, items, start) {
		t.Fatalf("%v is not wanted", p)
	}
}

func offsets(d *queue.Delivery) string {
	if d == nil {
		return "none"
	}
	var all []string
	for _, it := range d.Items {
		all = append(all, fmt.Sprint(it.Offset))
	}
	return strings.Join(all, " ")
}

func TestASlotIsFreeWhenItsAcknowledgementIsCommitted(t *testing.T) {
	t.Parallel()
	l := limits()
	l.InFlight = 1
	q := owned(l)
	add(t, q, messages, item(messages, 0, "a", 1), item(messages, 1, "b", 1), item(messages, 2, "c", 1))
	d := q.Next(start)
	if q.Done(d, queue.Answer{Status: 200}, start); q.Ready(start) {
		t.Error("the slot is free before the commit")
	}
	c := q.Commit()
	if q.Uncommitted(c); q.Ready(start) {
		t.Error("the slot is free after a commit that failed")
	}
	c = q.Commit()
	if p := c.Positions[messages]; p.Next != 1 || p.End != 3 {
		t.Errorf("%+v", p)
	}
	if q.Committed(c); !q.Ready(start) || q.Commit() != nil {
		t.Error("the slot is not free after the commit")
	}
}

func TestLiveEventsLeaveBeforeBacklogAndRequestsHaveSeveralEvents(t *testing.T) {
	t.Parallel()
	l := limits()
	l.EventsMax = 3
	q := owned(l)
	past := queue.Place{Topic: schemas.TopicHistory}
	add(t, q, past, item(past, 0, "a", 100), item(past, 1, "b", 100))
	add(t, q, messages, item(messages, 10, "a", 400), item(messages, 11, "a", 400), item(messages, 12, "a", 400), item(messages, 13, "a", 5000), item(messages, 14, "a", 1))
	var got []string
	for {
		d := q.Next(start)
		if d == nil {
			break
		}
		got = append(got, offsets(d))
		q.Done(d, queue.Answer{Status: 200}, start)
		q.Committed(q.Commit())
	}
	if strings.Join(got, ", ") != "10 11, 12, 13, 14, 1, 0" && strings.Join(got, ", ") != "10 11, 12, 13, 14, 0, 1" {
		t.Errorf("%v", got)
	}
}

// Of a request with several events that is refused, the one at fault is found.
func TestOnlyTheEventAtFaultBecomesALetter(t *testing.T) {
	t.Parallel()
	l := limits()
	l.EventsMax = 10
	q := owned(l)
	add(t, q, messages, item(messages, 0, "a", 1), item(messages, 1, "a", 1), item(messages, 2, "a", 1))
	now, delivered := start, ""
	for range 20 {
		if now = now.Add(time.Minute); !q.Ready(now) {
			break
		}
		d := q.Next(now)
		status := 200
		if strings.Contains(offsets(d), "1") {
			status = 400
		} else {
			delivered += offsets(d) + " "
		}
		q.Done(d, queue.Answer{Status: status}, now)
		if c := q.Commit(); c != nil {
			q.Committed(c)
		}
	}
	letters := q.Letters()
	if delivered != "0 2 " || len(letters) != 1 || letters[0].Offset != 1 || letters[0].Reason != queue.ReasonRefused {
		t.Errorf("delivered %s, %d letters", delivered, len(letters))
	}
	if p := q.Commit(); p != nil {
		t.Error("a letter counts as acknowledged before it is kept")
	}
	q.Kept(letters[0])
	if p := q.Commit().Positions[messages]; p.Next != 3 {
		t.Errorf("%+v", p)
	}
}

func TestAPartitionThatLeavesTakesNothingWithIt(t *testing.T) {
	t.Parallel()
	q := owned(limits())
	add(t, q, messages, item(messages, 0, "a", 1), item(messages, 1, "b", 1), item(messages, 2, "a", 1))
	first, second := q.Next(start), q.Next(start)
	q.Done(first, queue.Answer{Status: 200}, start)
	q.Drain(0)
	if q.Ready(start) || q.Sending(0) != 1 {
		t.Errorf("ready %v, %d requests in flight", q.Ready(start), q.Sending(0))
	}
	if _, ok := q.Wants(messages); ok {
		t.Error("a partition that leaves is read")
	}
	if p := q.Commit().Positions[messages]; p.Next != 1 || p.Open[0] != (queue.Range{From: 1, To: 3}) {
		t.Errorf("%+v", p)
	}
	q.Disown(0)
	q.Done(second, queue.Answer{Status: 200}, start)
	if q.Held() != 0 || q.Commit() != nil {
		t.Error("something is left")
	}
	// All slots are free for the next one.
	q.Own(0, map[schemas.Topic]queue.Position{schemas.TopicMessages: {}}, live, false)
	add(t, q, messages, item(messages, 0, "a", 1), item(messages, 1, "b", 1), item(messages, 2, "c", 1), item(messages, 3, "d", 1))
	for range 4 {
		if q.Next(start) == nil {
			t.Fatal("a slot was lost")
		}
	}
}

func TestWhatWasAcknowledgedBehindAnOpenOffsetIsNotQueuedAgain(t *testing.T) {
	t.Parallel()
	q := queue.New(limits())
	was := queue.Position{Next: 5, Open: []queue.Range{{From: 5, To: 6}, {From: 9, To: 10}}, End: 20}
	q.Own(0, map[schemas.Topic]queue.Position{schemas.TopicMessages: was}, live, false)
	if at, _ := q.Wants(messages); at != 5 {
		t.Errorf("read on at %d", at)
	}
	q.Add(messages, 5, 8, []*queue.Item{item(messages, 5, "a", 1), item(messages, 6, "b", 1), item(messages, 7, "c", 1)}, start)
	if at, _ := q.Wants(messages); at != 9 || q.Held() != 1 {
		t.Errorf("read on at %d, %d held", at, q.Held())
	}
	if p := q.Commit().Positions[messages]; p.Next != 5 || p.End != 20 || !slices.Equal(p.Open, was.Open) {
		t.Errorf("%+v", p)
	}
	q.Add(messages, 9, 25, []*queue.Item{item(messages, 9, "a", 1), item(messages, 10, "b", 1), item(messages, 19, "c", 1), item(messages, 20, "d", 1)}, start)
	if p := q.Commit().Positions[messages]; p.End != 25 || !slices.Equal(p.Open, []queue.Range{{From: 5, To: 6}, {From: 9, To: 10}, {From: 20, To: 21}}) {
		t.Errorf("%+v", p)
	}
}

func TestAFullWindowIsNotReadOn(t *testing.T) {
	t.Parallel()
	l := limits()
	l.HeldMax, l.HeldBytes = 3, 1000
	q := owned(l)
	add(t, q, messages, item(messages, 0, "a", 1), item(messages, 1, "a", 1))
	if q.Room(messages) != 1 {
		t.Errorf("room for %d", q.Room(messages))
	}
	add(t, q, messages, item(messages, 2, "a", 1))
	if _, ok := q.Wants(messages); ok {
		t.Error("a full lane is read on")
	}
	past := queue.Place{Topic: schemas.TopicHistory}
	add(t, q, past, item(past, 0, "a", 2000)) // the backlog has a window of its own, and a long event goes alone
	if _, ok := q.Wants(past); ok {
		t.Error("a lane that is full of bytes is read on")
	}
	if !q.Add(messages, 7, 8, nil, start) && q.Held() != 4 {
		t.Errorf("%d held", q.Held())
	}
}
