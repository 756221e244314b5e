package media_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/fakegraph"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/schematest"
)

func TestAnAssetIsStoredUnderItsHashAndPublishedAsItsSchemaSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	live, past, echo := content(3000, 1), content(5000, 2), content(70_000, 3)
	w.fake.AddMedia(fakegraph.Asset{ID: "11", MIME: "image/jpeg", Content: live}, fakegraph.Asset{ID: "12", MIME: "image/jpeg", Content: past}, fakegraph.Asset{ID: "13", Content: echo})
	w.text("10")
	w.message(schemas.TopicMessages, "11", live)
	w.message(schemas.TopicMedia, "12", past, property("sha256", hash(past))) // hexadecimal
	w.message(schemas.TopicEchoes, "13", echo, property("sha256", nil), property("filename", "../../etc/passwd"), property("mime_type", nil))
	got := w.outcomes(3)
	w.stored(got["11"], live)
	w.stored(got["12"], past)
	w.stored(got["13"], echo)
	if a := got["12"]; !a.Historical || a.EventType != schemas.TypeMedia || a.EventID != "event-12" || a.WAMID != "wamid.12" || a.DetectedType != "image/jpeg" || a.MIMEType != "image/jpeg" {
		t.Errorf("the outcome is %+v", a)
	}
	if a := got["13"]; a.Filename != "../../etc/passwd" || a.Historical {
		t.Errorf("the outcome is %+v", a)
	}
	v, err := schematest.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range w.logs.assets(t) {
		w.logs.mu.Lock()
		for at, log := range w.logs.logs {
			for _, r := range log {
				if at.Topic != schemas.TopicAssets {
					continue
				}
				headers := map[string]string{}
				for _, h := range r.Headers {
					headers[h.Key] = string(h.Value)
				}
				if err := v.Event(schemas.TopicAssets, headers, r.Value); err != nil {
					t.Error(err)
				}
				if headers[schemas.HeaderOrigin] != "coex.raw.live/0/7#0.0" || headers[schemas.HeaderSource] != "meta" || !strings.HasPrefix(string(r.Key), number+"/wamid.") {
					t.Errorf("key %s, headers %v", r.Key, headers)
				}
			}
		}
		w.logs.mu.Unlock()
		if e.ID != schemas.AssetEventID(e.Asset.EventID).Hex() {
			t.Errorf("ce_id is %s", e.ID)
		}
	}
	if entries, err := os.ReadDir(w.cfg.Dir); err != nil || len(entries) > 0 {
		t.Errorf("downloads are left over: %v %v", entries, err)
	}
}

func TestAKnownContentIsNotDownloadedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	same := content(4000, 9)
	w.fake.AddMedia(fakegraph.Asset{ID: "21", Content: same}, fakegraph.Asset{ID: "22", Content: same}, fakegraph.Asset{ID: "23", Content: same})
	w.message(schemas.TopicMessages, "21", same)
	w.outcomes(1)
	w.message(schemas.TopicMessages, "22", same)                                                        // the webhook has the hash
	w.message(schemas.TopicMessages, "23", same, property("sha256", nil))                               // the look-up has it
	w.message(schemas.TopicMessages, "24", same, received(w.now().Add(-w.cfg.Life-time.Hour)))          // and expired
	w.message(schemas.TopicMessages, "25", content(1, 1), received(w.now().Add(-w.cfg.Life-time.Hour))) // expired, and not known
	got := w.outcomes(5)
	for _, id := range []string{"21", "22", "23", "24"} {
		w.stored(got[id], same)
	}
	w.missing(got["25"], schemas.AssetExpired)
	if d := w.fake.Downloads(); len(d) != 1 || w.fake.LookUps("22") != 0 || w.fake.LookUps("23") != 1 {
		t.Errorf("downloads %v, look-ups %d and %d", d, w.fake.LookUps("22"), w.fake.LookUps("23"))
	}
}

func TestADownloadThatEndsEarlyContinuesWhereItEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := content(100_000, 4)
	w.fake.AddMedia(fakegraph.Asset{ID: "31", Content: long}, fakegraph.Asset{ID: "32", Content: long[:90_000], NoRange: true}, fakegraph.Asset{ID: "33", Content: long[:80_000]})
	w.fake.NextDownload("31", &fakegraph.Download{Cut: 40_000}, &fakegraph.Download{Reset: true}, &fakegraph.Download{Cut: 1})
	w.fake.NextDownload("32", &fakegraph.Download{Cut: 40_000})
	w.fake.NextDownload("33", &fakegraph.Download{Cut: 40_000, Unsized: true}) // it seems to be whole, and has another hash
	w.message(schemas.TopicMessages, "31", long)
	w.message(schemas.TopicMessages, "32", long[:90_000])
	w.message(schemas.TopicMessages, "33", long[:80_000])
	got := w.outcomes(3)
	w.stored(got["31"], long)
	w.stored(got["32"], long[:90_000])
	w.stored(got["33"], long[:80_000])
	ranges := map[string][]string{}
	for _, g := range w.fake.Downloads() {
		ranges[g.ID] = append(ranges[g.ID], g.Range)
	}
	if r := ranges["31"]; len(r) < 4 || r[0] != "" || r[1] != "bytes=40000-" || r[len(r)-1] != "bytes=40001-" {
		t.Errorf("the parts are %v", r)
	}
}

func TestTheNextProcessContinuesADownload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := content(200_000, 5)
	w.fake.AddMedia(fakegraph.Asset{ID: "41", Content: long})
	w.fake.NextDownload("41", &fakegraph.Download{Stall: 120_000})
	w.message(schemas.TopicMessages, "41", long)
	p := w.begin(0, false)
	until(t, "a part is on the disk", func() bool {
		entries, _ := os.ReadDir(w.cfg.Dir)
		if len(entries) != 1 {
			return false
		}
		info, err := entries[0].Info()
		return err == nil && info.Size() >= 100_000
	})
	w.stop(p)
	if n := len(w.logs.assets(t)); n != 0 {
		t.Fatalf("%d outcomes after the stop", n)
	}
	w.stored(w.outcomes(1)["41"], long)
	if d := w.fake.Downloads(); len(d) != 2 || !strings.HasPrefix(d[1].Range, "bytes=1") {
		t.Errorf("downloads %v", d)
	}
}

func TestEachWayToFailHasItsReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cfg.AssetBytesMax = 10_000
	w.cfg.Types = []string{"image/*", "application/pdf", "text/plain"}
	good := content(900, 6)
	page := []byte("<!DOCTYPE html><script>alert(1)</script>")
	var strangers atomic.Int64
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strangers.Add(1) }))
	defer stranger.Close()
	refuses := func(reply fakegraph.Download) []*fakegraph.Download {
		return []*fakegraph.Download{&reply, &reply, &reply}
	}
	want := map[string]string{}
	add := func(id, reason string, a fakegraph.Asset, changes ...change) {
		if want[id] = reason; a.Content == nil {
			a.Content = good
		}
		a.ID = id
		w.fake.AddMedia(a)
		w.message(schemas.TopicMessages, id, a.Content, changes...)
	}
	add("51", schemas.AssetRefused, fakegraph.Asset{})
	w.fake.NextDownload("51", refuses(fakegraph.Download{Status: http.StatusFound, Header: map[string]string{"Location": stranger.URL}})...)
	add("52", schemas.AssetRefused, fakegraph.Asset{URL: stranger.URL + "/x"})
	add("53", schemas.AssetRefused, fakegraph.Asset{URL: "file:///etc/passwd"})
	add("54", schemas.AssetRefused, fakegraph.Asset{URL: "gone"})
	add("55", schemas.AssetHashDiffers, fakegraph.Asset{})
	w.fake.NextDownload("55", refuses(fakegraph.Download{Content: content(900, 7)})...)
	add("56", schemas.AssetTooLarge, fakegraph.Asset{Content: content(10_001, 1)})
	add("57", schemas.AssetTooLarge, fakegraph.Asset{Content: content(10_001, 2), Bytes: 5})  // the look-up lies
	add("58", schemas.AssetTooLarge, fakegraph.Asset{Content: content(10_001, 3), Bytes: -1}) // and neither says how long
	w.fake.NextDownload("58", refuses(fakegraph.Download{Unsized: true})...)
	add("59", schemas.AssetTypeNotAllowed, fakegraph.Asset{}, property("mime_type", "application/x-msdownload"))
	add("60", schemas.AssetTypeNotAllowed, fakegraph.Asset{MIME: "video/mp4"}, property("mime_type", nil))
	add("61", schemas.AssetTypeNotAllowed, fakegraph.Asset{Content: page, MIME: "image/jpeg"}) // the content is a page
	add("62", schemas.AssetUnsupported, fakegraph.Asset{}, header(schemas.HeaderSource, "ycloud"))
	add("63", schemas.AssetExpired, fakegraph.Asset{}, received(w.now().Add(-w.cfg.Life)))
	add("64", schemas.AssetRefused, fakegraph.Asset{}, property("id", "../me")) // an id is digits
	want["../me"] = want["64"]
	delete(want, "64")
	add("65", schemas.AssetRefused, fakegraph.Asset{})
	w.fake.NextDownload("65", refuses(fakegraph.Download{Status: http.StatusOK, Body: "x", Header: map[string]string{"Content-Encoding": "gzip"}})...)
	got := w.outcomes(len(want))
	for id, reason := range want {
		w.missing(got[id], reason)
		if a := got[id]; a != nil && (a.Detail == "" || strings.Contains(a.Detail, "EAAtoken")) {
			t.Errorf("%s: the detail is %q", id, a.Detail)
		}
	}
	if n := strangers.Load(); n != 0 {
		t.Errorf("%d requests went to another host", n)
	}
	if got["61"].DetectedType != "text/html" {
		t.Errorf("the page looks like %s", got["61"].DetectedType)
	}
	if w.kept != 0 {
		t.Errorf("%d contents were stored", w.kept)
	}
}

func TestTroubleOfTheProviderIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := content(900, 8)
	w.fake.AddMedia(fakegraph.Asset{ID: "71", Content: good})
	w.fake.NextLookUp("71", fakegraph.Failure(http.StatusBadRequest, 80007, 0, "Rate limit"), fakegraph.Failure(http.StatusInternalServerError, 2, 0, "later"),
		&fakegraph.Reply{CutNow: true}, fakegraph.Failure(http.StatusUnauthorized, 190, 463, "expired token EAAtoken-of-the-business"), &fakegraph.Reply{Status: http.StatusOK, Body: "{"})
	w.fake.NextDownload("71", &fakegraph.Download{Status: http.StatusServiceUnavailable}, &fakegraph.Download{Status: http.StatusTooManyRequests, Body: "{}"},
		&fakegraph.Download{Status: http.StatusForbidden, Body: "{}"}, &fakegraph.Download{Status: http.StatusNotFound, Body: "{}"})
	w.message(schemas.TopicMessages, "71", good)
	w.stored(w.outcomes(1)["71"], good)
}

func TestABusinessWithoutATokenHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cfg.HeldMax, w.cfg.RetryMin, w.cfg.RetryMax = 6, 10*time.Millisecond, 20*time.Millisecond
	good := content(900, 9)
	const tokenless = "900"
	for i := range 20 { // more than a topic holds
		id := fmt.Sprint(8000 + i)
		own := content(900, byte(20+i)) // a known content would need no token
		w.fake.AddMedia(fakegraph.Asset{ID: id, Content: own})
		w.message(schemas.TopicMessages, id, own, business(tokenless))
	}
	w.fake.AddMedia(fakegraph.Asset{ID: "81", Content: good})
	w.message(schemas.TopicMessages, "81", good)
	p := w.begin(0, false)
	until(t, "the other business has its asset", func() bool { return w.byID()["81"] != nil })
	until(t, "the trouble is reported", func() bool { return p.sink.Trouble() != nil })
	w.mu.Lock()
	w.tokens[tokenless] = "EAAtoken-of-the-other"
	w.mu.Unlock()
	until(t, "all have an outcome", func() bool { return len(w.logs.assets(t)) == 21 })
	until(t, "the trouble is over", func() bool { return p.sink.Trouble() == nil })
	w.stop(p)
	states := map[string]int{}
	for _, a := range w.byID() {
		states[a.State+a.Reason]++
	}
	if states[schemas.AssetMissing+schemas.AssetDenied] == 0 || states[schemas.AssetStored] == 0 || len(states) != 2 {
		t.Errorf("the outcomes are %v", states)
	}
}

func TestNothingIsGivenUpWhileTheBucketFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := content(900, 10)
	w.fake.AddMedia(fakegraph.Asset{ID: "91", Content: good})
	w.message(schemas.TopicMessages, "91", good)
	w.broken = errors.New("the disk is not mounted")
	p := w.begin(0, false)
	until(t, "it is reported", func() bool {
		err := p.sink.Ready()
		return err != nil && strings.Contains(err.Error(), "not mounted")
	})
	if n := len(w.logs.assets(t)); n != 0 {
		t.Errorf("%d outcomes", n)
	}
	w.mu.Lock()
	w.broken = nil
	w.mu.Unlock()
	until(t, "it is stored", func() bool { return len(w.logs.assets(t)) == 1 })
	until(t, "it is ready", func() bool { return p.sink.Ready() == nil })
	w.stop(p)
	w.stored(w.byID()["91"], good)
}

func TestTheTotalIsALimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cfg.TotalBytesMax = 1500
	for i := range 3 {
		id := fmt.Sprint(100 + i)
		w.fake.AddMedia(fakegraph.Asset{ID: id, Content: content(900, byte(i))})
		w.message(schemas.TopicMessages, id, content(900, byte(i)))
	}
	w.cfg.Slots = 1
	p := w.begin(0, false)
	until(t, "it is full", func() bool {
		return p.sink.Ready() != nil && strings.Contains(p.sink.Ready().Error(), "total_bytes_max")
	})
	w.stop(p)
	if w.kept != 1 || len(w.byID()) != 1 {
		t.Errorf("%d contents, %d outcomes", w.kept, len(w.byID()))
	}
	p = w.begin(0, false) // the former contents count after a restart
	until(t, "it is full", func() bool {
		return p.sink.Ready() != nil && strings.Contains(p.sink.Ready().Error(), "total_bytes_max")
	})
	w.stop(p)
	w.cfg.TotalBytesMax = 0
	if got := w.outcomes(3); len(got) != 3 || w.kept != 3 {
		t.Errorf("%d contents, %d outcomes", w.kept, len(got))
	}
}

func TestNoTokenIsInARecordOrAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fake.AddMedia(fakegraph.Asset{ID: "111", Content: content(10, 1)})
	quote := fakegraph.Failure(http.StatusBadRequest, 100, 0, "bad token EAAtoken-of-the-business")
	w.fake.NextLookUp("111", quote, quote, quote)
	w.message(schemas.TopicMessages, "111", content(10, 1))
	got := w.outcomes(1)
	w.missing(got["111"], schemas.AssetRefused)
	if text, err := json.Marshal(got); err != nil || strings.Contains(string(text), "EAAtoken") {
		t.Errorf("%s (%v)", text, err)
	}
}

// Partial downloads that nobody continues make room before a download begins, and the newest stay as long as there is room.
func TestPartialDownloadsHaveALimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cfg.PartsBytesMax = int64(w.cfg.Slots)*w.cfg.AssetBytesMax + 1000
	if err := os.MkdirAll(w.cfg.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		name := filepath.Join(w.cfg.Dir, fmt.Sprintf("%d.part", i))
		if err := os.WriteFile(name, make([]byte, 400), 0o600); err != nil {
			t.Fatal(err)
		}
		if at := time.Now().Add(time.Duration(i-10) * time.Minute); os.Chtimes(name, at, at) != nil {
			t.Fatal(name)
		}
	}
	w.fake.AddMedia(fakegraph.Asset{ID: "121", Content: content(10, 1)})
	w.message(schemas.TopicMessages, "121", content(10, 1))
	got := w.outcomes(1)
	w.stored(got["121"], content(10, 1))
	var left []string
	files, err := os.ReadDir(w.cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		left = append(left, f.Name())
	}
	if want := []string{"3.part", "4.part"}; !slices.Equal(left, want) {
		t.Errorf("left are %q, want %q", left, want)
	}
}

// An asset that the token may not see is stored when the permission comes. Others of the business do not wait for it.
func TestAHiddenAssetIsStoredWhenThePermissionComes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fake.AddMedia(fakegraph.Asset{ID: "131", Content: content(10, 1)})
	hidden := fakegraph.Failure(http.StatusBadRequest, 100, 33, "Unsupported get request")
	w.fake.NextLookUp("131", hidden, hidden, hidden, hidden, hidden, hidden)
	w.message(schemas.TopicMessages, "131", content(10, 1))
	got := w.outcomes(1)
	w.stored(got["131"], content(10, 1))
}
