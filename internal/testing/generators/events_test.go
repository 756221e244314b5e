package generators

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coexstream/coexstream/processors/partition"
	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/fixtures"
)

// event is the value of an event that comes of a golden webhook.
type event struct {
	Schema string // name of its JSON Schema
	Name   string // fixture and number
	value  []byte
}

// goldenEvents plays each golden webhook in a partition of its own, and lets time pass until its sync ends.
func goldenEvents(t *testing.T) []event {
	t.Helper()
	schemaOf := map[string]string{}
	for _, e := range schemas.EventTypes() {
		schemaOf[e.Type] = e.Schema
	}
	var all []event
	count := map[string]int{}
	for _, f := range fixtures.All() {
		n := 0
		play(t, f.Body, func(r partition.Record) {
			for _, h := range r.Headers {
				schema := schemaOf[string(h.Value)]
				if h.Key != schemas.HeaderCEType || schema == "" || r.Value == nil {
					continue
				}
				n++
				count[schema]++
				all = append(all, event{schema, fmt.Sprintf("%s-%d", f.Name, n), append([]byte{}, r.Value...)})
			}
		})
	}
	// The media sink writes assets, of which the schema has an example.
	asset := schemaOf[schemas.TypeAsset]
	text, _ := schemas.JSONSchema(asset)
	var shown struct{ Examples []json.RawMessage }
	if err := json.Unmarshal(text, &shown); err != nil {
		t.Fatal(err)
	}
	for i, value := range shown.Examples {
		count[asset]++
		all = append(all, event{asset, fmt.Sprintf("example-%d", i+1), value})
	}
	for ceType, schema := range schemaOf {
		if schema != "" && count[schema] == 0 {
			t.Fatalf("no golden webhook yields an event of type %s", ceType)
		}
	}
	return all
}

// play lets a partition process a webhook, and emit is called with each record. A record is valid during the call.
func play(t *testing.T, body []byte, emit func(partition.Record)) {
	t.Helper()
	cfg := partition.DefaultConfig()
	cfg.Partitions = 1
	cfg.PartitionOf = func([]byte) int32 { return 0 }
	part, err := partition.New(cfg)
	if err == nil {
		err = part.Restored()
	}
	if err != nil {
		t.Fatal(err)
	}
	scanner, space := split.NewScanner(split.Limits{}), partition.Workspace{}
	scan := func() *split.Body {
		b, err := scanner.Scan(append([]byte{}, body...))
		if err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
		return b
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	origin := &partition.Origin{
		Topic: schemas.TopicRawBulk, Label: []byte("raw.bulk/0/0"), ReceivedAt: now, Source: []byte("meta"), Value: body,
		Headers: []partition.Header{{Key: schemas.HeaderSource, Value: []byte("meta")}},
	}
	part.Begin(emit, &space)
	part.Webhook(origin, scan())
	for _, wait := range []time.Duration{0, cfg.Media.Hold + time.Minute, 8 * 24 * time.Hour} {
		now = now.Add(wait)
		part.Tick(now)
		for {
			held, ok := part.NextHeld()
			if !ok {
				break
			}
			held.Release(origin, scan())
		}
		part.Flush()
		space.Reset()
		part.Begin(emit, &space)
	}
}

// index is what a test in another language reads: the events by type, and what the types have to know.
type index struct {
	Types  []eventType
	Events []event
}

// eventType is a type that a generator makes for a schema.
type eventType struct {
	Schema     string
	Type       string   // the title in Pascal case, as all the generators write it
	Properties []string // of the value
}

// writeEvents writes the golden events to golden/SCHEMA/NAME.json, and their index to events.json.
func writeEvents(t *testing.T, folder string) index {
	t.Helper()
	list := index{Events: goldenEvents(t)}
	known := map[string]map[string]bool{}
	for _, e := range schemas.EventTypes() {
		if e.Schema == "" {
			continue
		}
		typ := eventType{Schema: e.Schema, Type: pascal(schemaOf(t, e.Schema).Title)}
		typ.Properties, _ = merged(t, e.Schema)
		list.Types = append(list.Types, typ)
		known[e.Schema] = map[string]bool{}
		for _, p := range typ.Properties {
			known[e.Schema][p] = true
		}
	}
	for _, e := range list.Events {
		var value map[string]json.RawMessage
		if err := json.Unmarshal(e.value, &value); err != nil {
			t.Fatal(err)
		}
		for name := range value {
			if !known[e.Schema][name] {
				t.Errorf("%s has a property %s, which is not in the schema %s", e.Name, name, e.Schema)
			}
		}
		write(t, filepath.Join(folder, "golden", e.Schema, e.Name+".json"), e.value)
	}
	b, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "events.json"), b)
	return list
}

type schema struct {
	Ref        string            `json:"$ref"`
	Title      string            `json:"title"`
	AllOf      []schema          `json:"allOf"`
	Required   []string          `json:"required"`
	Properties map[string]schema `json:"properties"`
}

func schemaOf(t *testing.T, name string) schema {
	t.Helper()
	b, ok := schemas.JSONSchema(name)
	if !ok {
		t.Fatalf("there is no schema %s", name)
	}
	var s schema
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatalf("schema %s: %v", name, err)
	}
	return s
}

// merged are the properties of an event's value and those that it must have, with those of the schema that it narrows.
func merged(t *testing.T, name string) (properties, required []string) {
	t.Helper()
	s := schemaOf(t, name)
	parts := append([]schema{s}, s.AllOf...)
	for i, part := range s.AllOf {
		if part.Ref != "" {
			parts[i+1] = schemaOf(t, strings.TrimSuffix(part.Ref, ".json"))
		}
	}
	for _, part := range parts {
		properties = slices.AppendSeq(properties, maps.Keys(part.Properties))
		required = append(required, part.Required...)
	}
	if len(properties) == 0 || len(required) == 0 {
		t.Fatalf("schema %s has the properties %v and requires %v", name, properties, required)
	}
	slices.Sort(properties)
	slices.Sort(required)
	return slices.Compact(properties), slices.Compact(required)
}

func pascal(title string) string {
	var b strings.Builder
	for word := range strings.FieldsSeq(title) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // golden events are no secret
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o644); err != nil { //nolint:gosec // neither are they here
		t.Fatal(err)
	}
}
