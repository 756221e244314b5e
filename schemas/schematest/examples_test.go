package schematest_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/coexstream/coexstream/schemas"
)

// plainJSON is a document as the schema compiler wants it.
func plainJSON(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestEveryExampleIsValidByItsSchema(t *testing.T) {
	asyncAPI := strings.TrimSuffix(schemas.SchemaBase, "jsonschema/") + "asyncapi.yaml"
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	compile := func(at string) *jsonschema.Schema {
		s, err := c.Compile(at)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	examples := map[string][]any{}
	for _, name := range schemas.JSONSchemaNames() {
		b, _ := schemas.JSONSchema(name)
		doc := plainJSON(t, json.RawMessage(b))
		examples[name], _ = doc.(map[string]any)["examples"].([]any)
		if err := c.AddResource(schemas.SchemaBase+name+".json", doc); err != nil {
			t.Fatal(err)
		}
	}
	for name, list := range examples {
		if len(list) == 0 {
			t.Errorf("schema %s has no example", name)
		}
		s := compile(schemas.SchemaBase + name + ".json")
		for _, example := range list {
			if err := s.Validate(example); err != nil {
				t.Errorf("example of %s: %v", name, err)
			}
		}
	}

	var doc struct {
		Components struct {
			Messages map[string]struct {
				Headers, Payload map[string]any
				Examples         []struct {
					Name    string
					Headers map[string]any
					Payload any
				}
			}
		}
	}
	var whole any
	for _, into := range []any{&doc, &whole} {
		if err := yaml.Unmarshal(schemas.AsyncAPI(), into); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.AddResource(asyncAPI, plainJSON(t, whole)); err != nil {
		t.Fatal(err)
	}
	for name, m := range doc.Components.Messages {
		if len(m.Examples) == 0 && name != "state" { // which is internal
			t.Errorf("message %s has no example", name)
		}
		payload := asyncAPI + "#/components/messages/" + name + "/payload"
		if m.Payload["schemaFormat"] != nil {
			payload += "/schema"
		}
		for _, example := range m.Examples {
			if err := compile(payload).Validate(plainJSON(t, example.Payload)); err != nil {
				t.Errorf("payload of example %s of %s: %v", example.Name, name, err)
			}
			if err := compile(asyncAPI + "#/components/messages/" + name + "/headers").Validate(plainJSON(t, example.Headers)); err != nil {
				t.Errorf("headers of example %s of %s: %v", example.Name, name, err)
			}
		}
	}
}
