package schemas_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/provider"
)

// schemaNode is as much of a JSON Schema as the tests of its fields need.
type schemaNode struct {
	ID          string                 `json:"$id"`
	Dialect     string                 `json:"$schema"`
	Ref         string                 `json:"$ref"`
	AllOf       []*schemaNode          `json:"allOf"`
	Extends     *schemaNode            `json:"extends"`
	Title       string                 `json:"title"`
	JavaType    string                 `json:"existingJavaType"`
	Maximum     *int64                 `json:"maximum"`
	ParserID    string                 `json:"x-parser-schema-id"`
	Description string                 `json:"description"`
	Type        json.RawMessage        `json:"type"`
	Required    []string               `json:"required"`
	Properties  map[string]*schemaNode `json:"properties"`
	Items       *schemaNode            `json:"items"`
	Defs        map[string]*schemaNode `json:"$defs"`
	Never       bool                   `json:"-"` // the schema false
}

func (n *schemaNode) UnmarshalJSON(b []byte) error {
	if string(b) == "true" || string(b) == "false" {
		n.Never = string(b) == "false"
		return nil
	}
	type plain schemaNode
	return json.Unmarshal(b, (*plain)(n))
}

func loadSchema(t *testing.T, name string) *schemaNode {
	t.Helper()
	b, ok := schemas.JSONSchema(name)
	if !ok {
		t.Fatalf("there is no schema %q; there are %v", name, schemas.JSONSchemaNames())
	}
	n := new(schemaNode)
	if err := json.Unmarshal(b, n); err != nil {
		t.Fatalf("schema %s: %v", name, err)
	}
	return n
}

// refersTo returns the reference of a schema that is another one with a description of its own, or "". It stands in
// allOf, because code generators ignore what stands beside a $ref.
func (n *schemaNode) refersTo() string {
	if n.Ref == "" && len(n.AllOf) > 0 && n.Properties == nil {
		return n.AllOf[0].Ref
	}
	return n.Ref
}

// resolve follows references, relative to the schema that holds them.
func resolve(t *testing.T, n *schemaNode, name string) (*schemaNode, string) {
	t.Helper()
	for n.refersTo() != "" {
		ref := n.refersTo()
		file, fragment, _ := strings.Cut(ref, "#")
		if file != "" {
			name = strings.TrimSuffix(file, ".json")
		}
		root := loadSchema(t, name)
		if fragment == "" {
			n = root
			continue
		}
		def, ok := strings.CutPrefix(fragment, "/$defs/")
		if !ok || root.Defs[def] == nil {
			t.Fatalf("%s: reference %q leads nowhere", name, ref)
		}
		n = root.Defs[def]
	}
	return n, name
}

// goField is a property as a Go struct has it.
type goField struct {
	typ      reflect.Type
	optional bool
}

func goFields(typ reflect.Type) map[string]goField {
	fields := map[string]goField{}
	for i := range typ.NumField() {
		f := typ.Field(i)
		tag, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && tag == "" {
			for name, inner := range goFields(f.Type) {
				fields[name] = inner
			}
			continue
		}
		if tag != "-" {
			fields[tag] = goField{f.Type, strings.Contains(opts, "omitempty")}
		}
	}
	return fields
}

// compareFields compares a Go struct with the schema of its JSON, down to the leaves and both ways.
// strict: the schema requires exactly what the struct always writes.
func compareFields(t *testing.T, path string, typ reflect.Type, n *schemaNode, name string, strict bool) {
	t.Helper()
	n, name = resolve(t, n, name)
	props, required, owner := n.Properties, n.Required, name
	for field, g := range goFields(typ) {
		p := props[field]
		if p == nil {
			t.Errorf("%s.%s: in Go (%s), not in the schema %s", path, field, typ, owner)
			continue
		}
		if strict && slices.Contains(required, field) == g.optional {
			t.Errorf("%s.%s: required in the schema is %v, omitempty in Go is %v", path, field, !g.optional, g.optional)
		}
		if target, _ := resolve(t, p, name); p.Description == "" && target.Description == "" {
			t.Errorf("%s.%s: the schema does not describe it", path, field)
		}
		compareType(t, path+"."+field, g.typ, p, name, strict)
	}
	have := goFields(typ)
	for field := range props {
		if _, ok := have[field]; !ok {
			t.Errorf("%s.%s: in the schema %s, not in Go (%s)", path, field, owner, typ)
		}
	}
}

func compareType(t *testing.T, path string, typ reflect.Type, n *schemaNode, name string, strict bool) {
	t.Helper()
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	n, name = resolve(t, n, name)
	var types []string
	if len(n.Type) > 0 && n.Type[0] == '[' {
		if err := json.Unmarshal(n.Type, &types); err != nil {
			t.Fatalf("%s: type: %v", path, err)
		}
	} else if len(n.Type) > 0 {
		types = []string{strings.Trim(string(n.Type), `"`)}
	}
	want := ""
	switch {
	case typ == reflect.TypeFor[json.RawMessage]():
		return // any value of the vendor
	case typ == reflect.TypeFor[schemas.Int]() || typ == reflect.TypeFor[schemas.Decimal]():
		want = "integer"
	case typ.PkgPath() == "time" && typ.Name() == "Time":
		want = "string"
	case typ.Kind() == reflect.Struct:
		if !slices.Contains(types, "object") {
			t.Errorf("%s: %s in Go, %s in the schema", path, typ, n.Type)
		}
		compareFields(t, path, typ, n, name, strict)
		return
	case typ.Kind() == reflect.Slice:
		if !slices.Contains(types, "array") || n.Items == nil {
			t.Errorf("%s: %s in Go, %s in the schema", path, typ, n.Type)
			return
		}
		compareType(t, path+"[]", typ.Elem(), n.Items, name, strict)
		return
	case typ.Kind() == reflect.String:
		want = "string"
	case typ.Kind() == reflect.Bool:
		want = "boolean"
	case typ.Kind() == reflect.Uint8 || typ.Kind() == reflect.Int32 || typ.Kind() == reflect.Int64:
		want = "integer"
	case typ.Kind() == reflect.Float64:
		want = "number"
	}
	if strict && want == "integer" && n.Maximum == nil && n.JavaType != "java.lang.Long" {
		t.Errorf("%s: has no maximum and no existingJavaType: jsonschema2pojo makes 32 bits of it", path)
	}
	if len(types) == 0 && n.Type == nil && path != "" && n.Properties == nil {
		return // const or enum: tested by the fixtures
	}
	if !slices.Contains(types, want) {
		t.Errorf("%s: %s in Go needs %s, the schema has %s", path, typ, want, n.Type)
	}
}

func TestEventSchemasAndGoTypesHaveTheSameFields(t *testing.T) {
	for name, typ := range map[string]reflect.Type{
		"message-event": reflect.TypeFor[schemas.Message](),
		"contact":       reflect.TypeFor[schemas.ContactState](),
		"account":       reflect.TypeFor[schemas.Account](),
		"other":         reflect.TypeFor[schemas.Other](),
		"sync":          reflect.TypeFor[schemas.Sync](),
		"asset":         reflect.TypeFor[schemas.Asset](),
	} {
		compareFields(t, name, typ, loadSchema(t, name), name, true)
	}
}

func TestMessageEventsOnlyNarrowTheirCommonSchema(t *testing.T) {
	known := goFields(reflect.TypeFor[schemas.Message]())
	base, messages := loadSchema(t, "message-event"), 0
	for _, e := range schemas.EventTypes() {
		if e.Schema == "" {
			continue
		}
		n := loadSchema(t, e.Schema)
		if len(n.AllOf) == 0 {
			continue
		}
		messages++
		const common = "message-event.json"
		if n.AllOf[0].Ref != common || n.Extends == nil || n.Extends.Ref != common {
			t.Errorf("%s does not have %s as the first of allOf and as what it extends", e.Schema, common)
		}
		for _, part := range append([]*schemaNode{n}, n.AllOf[1:]...) {
			for _, field := range part.Required {
				if _, ok := known[field]; !ok {
					t.Errorf("%s requires %s, which no message has", e.Schema, field)
				}
				if part.Properties[field] == nil {
					t.Errorf("%s requires %s beside no property of that name: generators leave it out", e.Schema, field)
				}
			}
			for field, p := range part.Properties {
				if _, ok := known[field]; !ok {
					t.Errorf("%s narrows %s, which no message has", e.Schema, field)
				}
				if want := base.Properties[field]; want != nil && string(p.Type) != string(want.Type) {
					t.Errorf("%s narrows %s of type %s, and gives it the type %s", e.Schema, field, want.Type, p.Type)
				}
				if slices.Contains(base.Required, field) && !slices.Contains(part.Required, field) {
					t.Errorf("%s narrows %s, and does not say again that it is required: generators make it optional", e.Schema, field)
				}
			}
		}
	}
	if messages != 7 {
		t.Errorf("%d schemas narrow the common schema of messages, want 7", messages)
	}
}

func TestWebhookSchemasAndGoTypesHaveTheSameFields(t *testing.T) {
	for name, typ := range map[string]reflect.Type{
		"webhook.meta":   reflect.TypeFor[schemas.Webhook](),
		"webhook.value":  reflect.TypeFor[schemas.WebhookValue](),
		"webhook.ycloud": reflect.TypeFor[provider.WebhookYCloud](),
	} {
		n := loadSchema(t, name)
		if name == "webhook.meta" {
			// A change's value stands behind conditions there, one for each field.
			n.Defs["change"].Properties["value"] = &schemaNode{Ref: "webhook.value.json", Description: "the value"}
			entry := n.Defs["entry"]
			entry.Properties["changes"].Items = n.Defs["change"]
			n.Properties["entry"].Items = entry
		}
		compareFields(t, name, typ, n, name, false)
	}
	// 360dialog's data is the value and one property more.
	data := loadSchema(t, "webhook.360dialog").Defs["data"]
	value, _ := resolve(t, data.AllOf[0], "webhook.360dialog")
	for field := range goFields(reflect.TypeFor[provider.Value360Dialog]()) {
		if data.Properties[field] == nil && value.Properties[field] == nil {
			t.Errorf("360dialog's data.%s is in Go, not in the schema", field)
		}
	}
	for field := range data.Properties {
		if _, ok := goFields(reflect.TypeFor[provider.Value360Dialog]())[field]; !ok {
			t.Errorf("360dialog's data.%s is in the schema, not in Go", field)
		}
	}
}

func TestEveryDefinitionOfTheWebhookSchemaIsUsed(t *testing.T) {
	b, _ := schemas.JSONSchema("webhook.value")
	var all strings.Builder
	for _, name := range schemas.JSONSchemaNames() {
		s, _ := schemas.JSONSchema(name)
		all.Write(s)
	}
	n := new(schemaNode)
	if err := json.Unmarshal(b, n); err != nil {
		t.Fatal(err)
	}
	for def := range n.Defs {
		if !strings.Contains(all.String(), `#/$defs/`+def+`"`) {
			t.Errorf("nothing refers to %s", def)
		}
	}
}

func TestEverySchemaSaysWhatItIs(t *testing.T) {
	for _, name := range schemas.JSONSchemaNames() {
		n := loadSchema(t, name)
		if want := schemas.SchemaBase + name + ".json"; n.ID != want {
			t.Errorf("%s: $id is %s, want %s", name, n.ID, want)
		}
		if n.Dialect != "https://json-schema.org/draft/2020-12/schema" {
			t.Errorf("%s: $schema is %s", name, n.Dialect)
		}
		if n.Description == "" {
			t.Errorf("%s: no description", name)
		}
	}
	if _, ok := schemas.JSONSchema("../events"); ok {
		t.Error("a name that leaves the folder was found")
	}
}

func TestEveryEventTypeHasASchemaAndATopic(t *testing.T) {
	for _, e := range schemas.EventTypes() {
		if e.Schema == "" {
			if e.Type != schemas.TypeContactRemoved && e.Type != schemas.TypeSyncRemoved {
				t.Errorf("%s has no schema", e.Type)
			}
			continue
		}
		n := loadSchema(t, e.Schema)
		if !strings.Contains(n.Description, e.Type) || !strings.Contains(n.Description, e.Topic.String()) {
			t.Errorf("schema %s names neither %s nor the topic %s", e.Schema, e.Type, e.Topic)
		}
	}
}
