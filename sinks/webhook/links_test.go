package webhook_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/sinks/media/link"
)

const contentHash = "de7d1b721a1e0632b7cf04edf5032c8ecffa9f9a08492152b926f1a5a7e765d7"

// assetRecord is the outcome of an asset.
func assetRecord(n int, change func(*schemas.Asset)) *kgo.Record {
	a := &schemas.Asset{
		WABAID: "waba1", PhoneNumberID: "number1", EventID: fmt.Sprint("e", n), EventType: schemas.TypeMessage, WAMID: fmt.Sprint("w", n), MediaID: "7", Type: "image",
		Filename: "../a.jpg", State: schemas.AssetStored, SHA256: contentHash, Bytes: 5, Object: "media/sha256/de/" + contentHash, ExpiresAt: time.UnixMilli(1), At: time.UnixMilli(2),
	}
	if change != nil {
		change(a)
	}
	r := &kgo.Record{Key: []byte(a.PhoneNumberID + "/" + a.WAMID), Value: a.AppendJSON(nil)}
	for _, h := range [][2]string{{"ce_specversion", "1.0"}, {"ce_id", fmt.Sprint("a", n)}, {"ce_type", schemas.TypeAsset}, {"ce_source", "/x"}, {"ce_time", "2026-03-01T12:00:00Z"}} {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
	}
	return r
}

// bodies keeps what it gets, by host. At first it answers 503.
type bodies struct {
	mu    sync.Mutex
	asked int
	got   map[string][]map[string]any
}

func (b *bodies) RoundTrip(r *http.Request) (*http.Response, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var e map[string]any
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got[r.URL.Host] = append(b.got[r.URL.Host], e)
	b.asked++
	status := http.StatusOK
	if b.asked == 1 {
		status = http.StatusServiceUnavailable
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}, nil
}

// An endpoint gets assets if it names their topic, and links if it asks for them. Each attempt has a link that is valid for the time that it asks for.
func TestAStoredAssetHasALinkWhereAnEndpointAsksForOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := newTopics(1), &bodies{got: map[string][]map[string]any{}}
		es := endpoints(t, "name: links\nurl: https://links.example.com/\nstart: beginning\ntopics: [messages, assets]\nasset_links: 15m",
			"name: plain\nurl: https://plain.example.com/\nstart: beginning\ntopics: [assets]", "name: none\nurl: https://none.example.com/\nstart: beginning")
		key := link.Key("a key of at least thirty-two bytes")
		if err := es.WithLinks(nil); err == nil || !strings.Contains(err.Error(), "sink.media.link_url") || !strings.Contains(err.Error(), "links") {
			t.Errorf("links without a key: %v", err)
		}
		if err := es.WithLinks(func(sha256, filename string, expires time.Time) string {
			return link.Make(key, "https://media.example.com", sha256, filename, expires)
		}); err != nil {
			t.Fatal(err)
		}
		log.optional = false // the topic is made later
		r := newRun(t, log, to, es)
		time.Sleep(10 * time.Second)
		log.add(schemas.TopicAssets, assetRecord(1, nil))
		log.add(schemas.TopicAssets, assetRecord(2, func(a *schemas.Asset) { a.State, a.Reason, a.Object = schemas.AssetMissing, schemas.AssetExpired, "" }))
		log.add(schemas.TopicAssets, assetRecord(3, func(a *schemas.Asset) { a.Historical = true }))
		log.mu.Lock()
		log.optional = true
		log.mu.Unlock()
		time.Sleep(10 * time.Minute)
		r.stop()
		to.mu.Lock()
		defer to.mu.Unlock()
		ids := func(host string) (all []string) {
			for _, e := range to.got[host] {
				all = append(all, fmt.Sprint(e["id"], " ", e["coexassetlink"] != nil))
			}
			return all
		}
		if got := strings.Join(ids("plain.example.com"), ", "); !strings.HasSuffix(got, "a1 false, a2 false") {
			t.Errorf("without asset_links: %s", got)
		}
		if got := ids("none.example.com"); len(got) != 0 {
			t.Errorf("an endpoint without topics gets %v", got)
		}
		with := strings.Join(ids("links.example.com"), ", ")
		if !strings.HasSuffix(with, "a1 true, a2 false") || to.asked != 5 {
			t.Errorf("with asset_links: %s, of %d requests", with, to.asked)
		}
		for _, e := range to.got["links.example.com"] {
			if e["coexassetlink"] == nil {
				continue
			}
			u, err := url.Parse(e["coexassetlink"].(string))
			if err != nil {
				t.Fatal(err)
			}
			path := strings.TrimPrefix(u.Path, link.Path)
			hash, filename, err := link.Check(key, path, u.Query(), time.Now().Add(-10*time.Minute).Add(14*time.Minute))
			if err != nil || hash != contentHash || filename != "a.jpg" || u.Host != "media.example.com" {
				t.Errorf("the link %s: %s %s %v", u, hash, filename, err)
			}
			if _, _, err := link.Check(key, path, u.Query(), time.Now().Add(16*time.Minute)); err == nil {
				t.Error("the link does not end")
			}
		}
	})
}
