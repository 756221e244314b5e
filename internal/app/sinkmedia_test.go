package app

import (
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coexstream/coexstream/internal/testing/certtest"
	"github.com/coexstream/coexstream/internal/testing/fakegraph"
	"github.com/coexstream/coexstream/internal/testing/freeport"
	"github.com/coexstream/coexstream/schemas"
)

const (
	mediaWABA   = "102290129340398"
	mediaNumber = "106540352242922"
)

// imageBody is a webhook with an image.
func imageBody(id string, content []byte) string {
	sum := sha256.Sum256(content)
	return fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":%q,"changes":[{"field":"messages","value":{"messaging_product":"whatsapp",`+
		`"metadata":{"display_phone_number":"15550783881","phone_number_id":%q},"contacts":[{"profile":{"name":"Ada"},"wa_id":"16505551234"}],`+
		`"messages":[{"from":"16505551234","id":"wamid.%s","timestamp":"%d","type":"image","image":{"mime_type":"image/jpeg","sha256":%q,"id":%q}}]}}]}]}`,
		mediaWABA, mediaNumber, id, time.Now().Unix(), base64.StdEncoding.EncodeToString(sum[:]), id)
}

// A webhook with an image becomes an object in the bucket and a record in `assets`, also after a kill -9 during the download. No token is
// in a topic, a log or a file.
func TestUpDownloadsMediaAndSurvivesAKill(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: runs the binary")
	}
	fake := fakegraph.New()
	defer fake.Close()
	fake.SetTokens(canaryWABA)
	dir := t.TempDir()
	flags := deskConfig(t, dir, fake, mediaWABA)
	folder := filepath.Join(dir, "bucket")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(flags[1])
	if err != nil {
		t.Fatal(err)
	}
	const linkKey = "canary-key-that-signs-links-to-media"
	key := certtest.Write(t, dir, "link-key", []byte(linkKey+"\n"))
	links, err := freeport.Addresses(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	certtest.Write(t, dir, "desk.yaml", fmt.Appendf(file, "sink:\n  media: {enabled: true, url: \"file://%s\", hosts: [\"%s\"], link_key_file: %s, link_url: \"http://%s\", link_listen: \"%s\"}\n",
		folder, fake.URL, key, links[0], links[0]))
	contents := map[string][]byte{"71": []byte("\xff\xd8\xff\xe0 one"), "72": make([]byte, 300_000), "73": []byte("never")}
	copy(contents["72"], "\xff\xd8\xff\xe0")
	for id, content := range contents {
		fake.AddMedia(fakegraph.Asset{ID: id, MIME: "image/jpeg", Content: content})
	}
	fake.Expire("73")
	fake.NextDownload("72", &fakegraph.Download{Stall: 200_000})

	p := startUp(t, dir, flags...)
	for _, id := range []string{"71", "72"} {
		if status := post(t, p.running().Ingress+"/hook", "secret-of-the-test-source", imageBody(id, contents[id])); status != http.StatusOK {
			t.Fatalf("the ingress answered %d", status)
		}
	}
	object := func(id string) string {
		sum := sha256.Sum256(contents[id])
		name := hex.EncodeToString(sum[:])
		return filepath.Join(folder, "media", "sha256", name[:2], name)
	}
	p.until("the first asset is stored", func() bool { _, err := os.Stat(object("71")); return err == nil })
	p.until("a part of the second one is on the disk", func() bool {
		size := int64(0)
		_ = filepath.WalkDir(filepath.Join(dir, "data", mediaFolder), func(_ string, d fs.DirEntry, err error) error {
			if info, err := d.Info(); err == nil && !d.IsDir() {
				size += info.Size()
			}
			return err
		})
		return size >= 100_000
	})
	p.signal(syscall.SIGKILL)
	log := p.stderr.String()

	p = startUp(t, dir, flags...)
	if status := post(t, p.running().Ingress+"/hook", "secret-of-the-test-source", imageBody("73", contents["73"])); status != http.StatusOK {
		t.Fatalf("the ingress answered %d", status)
	}
	var s mediaStatus
	n, others := int64(0), int64(0)
	p.until("all assets have an outcome", func() bool {
		// Only after the token saw another asset does the provider not know this one.
		n++
		id := fmt.Sprint(740 + n)
		contents[id] = fmt.Appendf(nil, "\xff\xd8\xff\xe0 another %d", n)
		others += int64(len(contents[id]))
		fake.AddMedia(fakegraph.Asset{ID: id, MIME: "image/jpeg", Content: contents[id]})
		if status := post(t, p.running().Ingress+"/hook", "secret-of-the-test-source", imageBody(id, contents[id])); status != http.StatusOK {
			t.Fatalf("the ingress answered %d", status)
		}
		time.Sleep(time.Second)
		out, code := p.run("sink", "media", "status", "--output", "json", "--config", flags[1])
		s = mediaStatus{}
		return code == ExitOK && json.Unmarshal([]byte(out), &s) == nil && s.Outcomes[schemas.AssetStored] == 2+n && s.Outcomes[schemas.AssetRefused] == 1
	})
	if len(s.Outcomes) != 2 || s.Bytes != int64(len(contents["71"])+len(contents["72"]))+others || len(s.Newest) != 1 || s.Newest[0].WAMID != "wamid.73" {
		t.Errorf("the status is %+v", s)
	}
	for _, id := range []string{"71", "72"} {
		if got, err := os.ReadFile(object(id)); err != nil || string(got) != string(contents[id]) {
			t.Errorf("asset %s: %d bytes in the bucket (%v)", id, len(got), err)
		}
	}
	records := committed(t, p.running().Defaults["kafka.brokers"], schemas.TopicAssets.Name("coex."))
	if int64(len(records)) != 3+n {
		t.Errorf("%d records of assets", len(records))
	}
	continued := false
	for _, g := range fake.Downloads() {
		if g.Credential != canaryWABA {
			t.Errorf("a request has the credential %q", g.Credential)
		}
		continued = continued || g.ID == "72" && strings.HasPrefix(g.Range, "bytes=")
	}
	if !continued {
		t.Error("the download was not continued after the kill")
	}
	out, _ := p.run("sink", "media", "status", "--config", flags[1], "--output", "text")
	tail, _ := p.run("tail", "assets", "messages", "--from-beginning", "--no-follow", "--output", "json", "--config", flags[1])
	if !strings.Contains(out, "refused") || !strings.Contains(tail, `"media_id":"71"`) {
		t.Errorf("status:\n%s\ntail:\n%s", out, tail)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "data", "read.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p.until("the conversation shows the assets", func() bool {
		var shown string
		err := db.QueryRow(`SELECT group_concat(wamid || ' ' || asset_state || ' ' || asset_reason || ' ' || asset_object, ', ') FROM
  (SELECT * FROM conversation WHERE wamid IN ('wamid.71', 'wamid.73') ORDER BY wamid)`).Scan(&shown)
		return err == nil && shown == "wamid.71 stored  media/sha256/"+filepath.Base(object("71"))[:2]+"/"+filepath.Base(object("71"))+", wamid.73 missing refused "
	})
	link, code := p.run("sink", "media", "link", filepath.Base(object("71")), "--filename", "a.jpg", "--config", flags[1])
	resp, err := http.Get(strings.TrimSpace(link))
	if err != nil || code != ExitOK {
		t.Fatalf("link: %d %s %v", code, link, err)
	}
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != string(contents["71"]) || resp.Header.Get("Content-Disposition") != "attachment; filename=a.jpg" {
		t.Errorf("the link gives %q, %v (%v)", got, resp.Header, err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	p.signal(syscall.SIGTERM)
	seen := []string{out, tail, log, p.stderr.String(), p.stdout.String()}
	err = filepath.WalkDir(filepath.Join(dir, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		seen = append(seen, string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range seen {
		if strings.Contains(text, canaryWABA) || strings.Contains(text, linkKey) {
			t.Error("the token is in a log, a topic or a file")
		}
	}
}
