package partition_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
	"github.com/coexstream/coexstream/schemas/syncrequest"
)

// exampleFixtures are the golden webhooks of which an event of each type is shown: in docs/consuming.md, in its JSON
// Schema and in the AsyncAPI document.
func exampleFixtures() map[string]string {
	return map[string]string{
		schemas.TypeHistory: "history-from-me", schemas.TypeMedia: "media-two-wamids", schemas.TypeContact: "doc-contacts-add",
		schemas.TypeContactRemoved: "contacts-remove", schemas.TypeEcho: "doc-echo-text", schemas.TypeMessage: "message-text",
		schemas.TypeStatus: "status-recipient", schemas.TypeError: "value-errors-contact", schemas.TypeHandover: "handover-taken",
		schemas.TypeAccount: "account-offboarded", schemas.TypeSync: "history-errors-chunk", schemas.TypeOther: "unknown-field",
		schemas.TypeAsset: "stored",
	}
}

// exampleOf is the first event of a type that comes of its webhook.
func exampleOf(t *testing.T, ceType string) record {
	t.Helper()
	return eventOf(t, ceType, exampleFixtures()[ceType], "")
}

// eventOf is the first event of a type, and of a kind where one is given, that comes of a golden webhook.
func eventOf(t *testing.T, ceType, fixture, kind string) record {
	t.Helper()
	if ceType == schemas.TypeAsset {
		return assetOf(eventOf(t, schemas.TypeMessage, "message-image", ""))
	}
	p := newPartition(t)
	p.labels[0] = "coex.raw.bulk/0/0" // the topic with its default prefix, as outside of tests
	p.webhook(string(fixtures.Named(fixture).Body))
	p.tick(p.cfg.Media.Hold + time.Minute)
	for _, e := range schemas.EventTypes() {
		for _, r := range p.topics[e.Topic] {
			if e.Type != ceType || r.headers[schemas.HeaderCEType] != ceType {
				continue
			}
			if kind == "" || strings.Contains(string(r.value), `"kind":"`+kind+`"`) {
				return r
			}
		}
	}
	t.Fatalf("no %s %s comes of %s", ceType, kind, fixture)
	return record{}
}

// assetOf is an event of the media sink: the asset of a message is stored.
func assetOf(message record) record {
	const sum = "de7d1b721a1e0632b7cf04edf5032c8ecffa9f9a08492152b926f1a5a7e765d7"
	at := time.UnixMilli(1772366403250).UTC()
	asset := schemas.Asset{
		WABAID: waba, PhoneNumberID: phone, DisplayPhoneNumber: "15550783881", EventID: message.headers[schemas.HeaderCEID], EventType: schemas.TypeMessage,
		WAMID: message.headers[schemas.HeaderCESubject], Thread: "16505551234", Contact: &schemas.Contact{WaID: "16505551234"}, Timestamp: 1772366399, MediaID: "24230790383178627", Type: "image",
		MIMEType: "image/jpeg", DetectedType: "image/jpeg", State: schemas.AssetStored, SHA256: sum, Bytes: 78_214, Object: "media/sha256/de/" + sum,
		ExpiresAt: time.UnixMilli(1772366400000).UTC().AddDate(0, 0, 7), At: at,
	}
	r := record{key: phone + "/" + asset.WAMID, value: asset.AppendJSON(nil), headers: maps.Clone(message.headers)}
	r.headers[schemas.HeaderCEType], r.headers[schemas.HeaderCEID] = schemas.TypeAsset, schemas.AssetEventID(asset.EventID).Hex()
	r.headers[schemas.HeaderCETime] = at.Format(time.RFC3339Nano)
	return r
}

// indented is a JSON value as people read it, each line but the first behind prefix.
func indented(t *testing.T, value []byte, prefix string) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, value, prefix, "  "); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// holdText compares a file with what it has to be, and writes it with -update.
func holdText(t *testing.T, file, have, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if have != want {
		t.Errorf("the examples in %s are not what the pipeline makes or reads: run with -update and read the difference", file)
	}
}

// Each JSON Schema shows an example as its last property: an event, or a golden webhook.
func TestExamplesOfTheSchemasAreEventsAndGoldenWebhooks(t *testing.T) {
	values := map[string][]byte{
		"webhook.meta": fixtures.Named("message-text").Body, "webhook.360dialog": fixtures.Named("360dialog-contacts").Body,
		"webhook.bare": fixtures.Named("doc-history-declined-bare").Body, "webhook.ycloud": fixtures.Named("ycloud-message").Body,
	}
	var meta struct {
		Entry []struct {
			Changes []struct{ Value json.RawMessage }
		}
	}
	if err := json.Unmarshal(values["webhook.meta"], &meta); err != nil {
		t.Fatal(err)
	}
	values["webhook.value"] = meta.Entry[0].Changes[0].Value
	for _, e := range schemas.EventTypes() {
		if e.Schema != "" {
			values[e.Schema] = exampleOf(t, e.Type).value
		}
	}
	values["message-event"] = values["message"]
	values["sync-request"] = syncrequest.Record{
		WABAID: waba, PhoneNumberID: phone, SyncType: syncrequest.History, State: syncrequest.Refused, Attempt: "01JDZ5K9V7Q2X3Y4Z5A6B7C8D9",
		At: 1772366400000, OnboardedAt: 1772362800000, RequestedBy: "cli", Provider: "meta",
		Error: &syncrequest.Failure{Code: syncrequest.CodeTooLate, Message: "The request is outside of the allowed time window"},
	}.Append(nil)
	examples := regexp.MustCompile(`(?s),\n  "examples": \[.*?\n  \]`)
	for _, name := range schemas.JSONSchemaNames() {
		if values[name] == nil {
			t.Errorf("schema %s has no example", name)
			continue
		}
		b, _ := schemas.JSONSchema(name)
		have := string(b)
		want := strings.TrimSuffix(examples.ReplaceAllLiteralString(have, ""), "\n}\n")
		want += ",\n  \"examples\": [\n    " + indented(t, values[name], "    ") + "\n  ]\n}\n"
		holdText(t, "../../schemas/jsonschema/"+name+".json", have, want)
	}
}

// Each event of the AsyncAPI document shows a record: headers and value. Those of other messages are held to their
// schemas by schematest.
func TestExamplesOfTheAsyncAPIDocumentAreEvents(t *testing.T) {
	have := string(schemas.AsyncAPI())
	want := have
	for ceType, fixture := range exampleFixtures() {
		_, message, ok := strings.Cut(want, "\n      name: "+ceType+"\n")
		head, _, found := strings.Cut(message, "\n      bindings:\n")
		if !ok || !found {
			t.Fatalf("asyncapi.yaml has no message %s with bindings", ceType)
		}
		r := exampleOf(t, ceType)
		var example strings.Builder
		fmt.Fprintf(&example, "\n      examples:\n        - name: %s\n          headers:\n", fixture)
		for _, name := range slices.Sorted(maps.Keys(r.headers)) {
			fmt.Fprintf(&example, "            %s: %q\n", name, r.headers[name])
		}
		if r.value == nil {
			example.WriteString("          payload: null")
		} else {
			example.WriteString("          payload:\n" + block(t, r.value, "            "))
		}
		bare, _, _ := strings.Cut(head, "\n      examples:\n")
		want = strings.Replace(want, "\n      name: "+ceType+"\n"+head, "\n      name: "+ceType+"\n"+bare+example.String(), 1)
	}
	holdText(t, "../../schemas/asyncapi.yaml", have, want)
}

// block is a JSON value in YAML's block style, each line behind prefix, without an end of line.
func block(t *testing.T, value []byte, prefix string) string {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(value, &doc); err != nil {
		t.Fatal(err)
	}
	plain(&doc)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		t.Fatal(err)
	}
	return prefix + strings.ReplaceAll(strings.TrimSuffix(out.String(), "\n"), "\n", "\n"+prefix)
}

// plain takes YAML out of the flow style. Strings stay in quotes, keys do not need them.
func plain(n *yaml.Node) {
	if n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode {
		n.Style = 0
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			c.Style = 0
		}
		plain(c)
	}
}
