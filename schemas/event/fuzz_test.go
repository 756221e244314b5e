package event_test

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"io"
	"math/big"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/event"
	"github.com/coexstream/coexstream/schemas/schematest"
)

// valued are the types whose records have a value.
func valued() (types []schemas.EventType) {
	for _, e := range schemas.EventTypes() {
		if e.Schema != "" {
			types = append(types, e)
		}
	}
	return types
}

// examples are the values that the schema of a type shows.
func examples(t testing.TB, schema string) [][]byte {
	t.Helper()
	text, ok := schemas.JSONSchema(schema)
	if !ok {
		t.Fatalf("there is no schema %s", schema)
	}
	var s struct {
		Examples []jsontext.Value `json:"examples"`
	}
	if err := stdjson.Unmarshal(text, &s); err != nil || len(s.Examples) == 0 {
		t.Fatalf("schema %s has %d examples, err %v", schema, len(s.Examples), err)
	}
	var all [][]byte
	for _, e := range s.Examples {
		if err := e.Compact(); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// everySync has every property that a sync may have.
const everySync = `{"waba_id":"1","phone_number_id":"2","display_phone_number":"3","window":2,"state":"done","end_reason":"quiet","order_known":true,` +
	`"phases":[{"phase":0,"next":3,"left":2,"held":1,"progress":40,"finished":true,"gaps":[{"from":1,"to":2,"since":"2026-03-01T12:00:00Z","given_up":true,"lost":true}],"gaps_omitted":1}],` +
	`"progress":40,"chunks":2,"chunks_held":1,"chunks_late":0,"chunks_duplicate":0,"chunks_lost":1,"messages":9,"duplicates":0,"opened_at":"2026-03-01T12:00:00Z",` +
	`"last_chunk_at":"2026-03-01T12:00:00.5+01:00","deadline_at":"2026-03-01T12:00:00Z","ended_at":"2026-03-01T12:00:00Z","error":[{"code":1}],` +
	`"errors":[{"code":-1,"title":"x","phase":0,"chunk_order":2,"at":"2026-03-01T12:00:00Z"}],"errors_omitted":3}`

// everyMessage has every property that a message may have, and ones that are unknown.
const everyMessage = `{"waba_id":"1","phone_number_id":"2","display_phone_number":"3","kind":"edit","rank":2,"wamid":"w","original_wamid":"o","wamid_token":"3Af0","thread":"t","group_id":"g",` +
	`"contact":{"wa_id":"1","user_id":"2","parent_user_id":"3","username":"u","country_code":"DE","profile_name":"\ud83d\ude00\ud800 \"\\\/\b\f\n\r\t","new":[null]},"direction":"outbound","from":"f","to":"t",` +
	`"timestamp":-17e2,"type":"text","status":"READ","historical":true,"standby":false,"joined":true,"sync":{"window":1,"phase":0,"chunk_order":-3,"progress":62.0,"late":true,"more":{"a":1.5e-3}},` +
	`"profiles":[{"profile":{"name":"x"}}],"new":{"a":[true,false,null,"\u0041"]},"original":{"id":"w","id":"x","n":[[],{}]}}`

func FuzzValueAgreesWithTheSchemas(f *testing.F) {
	types := valued()
	for i, typ := range types {
		for _, value := range examples(f, typ.Schema) {
			f.Add(uint8(i), value)
		}
		f.Add(uint8(i), []byte(everyMessage))
		f.Add(uint8(i), []byte(strings.ReplaceAll(everyMessage, `"historical":true`, `"historical":false`)))
		f.Add(uint8(i), []byte(strings.ReplaceAll(everyMessage, `"waba_id"`, `"\u0077aba_id"`)))
		f.Add(uint8(i), []byte(everySync))
		f.Add(uint8(i), []byte(strings.NewReplacer(`"state":"done","end_reason":"quiet"`, `"state":"running"`, `"ended_at":"2026-03-01T12:00:00Z",`, ``).Replace(everySync)))
		f.Add(uint8(i), []byte(` { "field" : "" , "original" : { } } `))
	}
	validator, err := schematest.New()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, i uint8, value []byte) {
		typ := types[int(i)%len(types)]
		e, err := event.Value(typ.Type, value)
		if valid := validator.Value(typ.Schema, value); valid == nil && err != nil && !stricter(value) {
			t.Fatalf("%s: the schema takes it, Value does not: %v\n%s", typ.Type, err, value)
		} else if valid != nil && err == nil {
			t.Fatalf("%s: Value takes it, the schema does not: %v\n%s", typ.Type, valid, value)
		}
		if err != nil {
			var ee *event.Error
			if !errors.As(err, &ee) || ee.Offset < 0 || ee.Offset > len(value) {
				t.Fatalf("error %v of %s", err, value)
			}
			return
		}
		agree(t, typ.Type, &e)
	})
}

var leapSecond, zoneInLowerCase = regexp.MustCompile(`:60`), regexp.MustCompile(`\d[tz]`)

// stricter reports whether a value may be refused though the schema takes it: see the package's comment.
func stricter(value []byte) bool {
	if !utf8.Valid(value) || leapSecond.Match(value) || zoneInLowerCase.Match(value) {
		return true
	}
	dec := jsontext.NewDecoder(bytes.NewReader(value))
	for {
		tok, err := dec.ReadToken()
		if err != nil {
			return !errors.Is(err, io.EOF) // names that stand twice
		}
		if tok.Kind() == '0' {
			if n, ok := new(big.Rat).SetString(tok.String()); ok && n.IsInt() && (!n.Num().IsInt64() || -n.Num().Int64() == n.Num().Int64() && n.Sign() != 0) {
				return true
			}
			if len(tok.String()) > 1000 {
				return true
			}
		}
	}
}

// agree compares the result with that of a JSON library.
func agree(t testing.TB, ceType string, e *event.Event) {
	t.Helper()
	var got, want any
	switch {
	case e.Message != nil:
		got, want = e.Message, new(schemas.Message)
	case e.Contact != nil:
		got, want = e.Contact, new(schemas.ContactState)
	case e.Account != nil:
		got, want = e.Account, new(schemas.Account)
	case e.Sync != nil:
		got, want = e.Sync, new(schemas.Sync)
	case e.Other != nil:
		got, want = e.Other, new(schemas.Other)
	case e.Asset != nil:
		got, want = e.Asset, new(schemas.Asset)
	default:
		t.Fatalf("%s: nothing was read", ceType)
	}
	err := json.Unmarshal(e.Value, want, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		return // it reads no integer that is spelled 1e2
	}
	if err != nil {
		t.Fatalf("%s: Value takes it, a JSON library does not: %v\n%s", ceType, err, e.Value)
	}
	if !reflect.DeepEqual(got, want) {
		g, _ := stdjson.Marshal(got)
		w, _ := stdjson.Marshal(want)
		t.Fatalf("%s: read\n%s\nwant\n%s\nof\n%s", ceType, g, w, e.Value)
	}
}
