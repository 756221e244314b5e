package schemas_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/coexstream/coexstream/schemas"
)

// narrowing are the keywords that are of one type alone. Beside no type, generators make "anything" of the property.
var narrowing = []string{"const", "enum", "pattern", "format", "minLength", "maxLength", "minimum", "maximum", "items", "minItems"}

// TestSchemasKeepToWhatGeneratorsRead holds the schemas to the forms that code generators and the AsyncAPI parser read
// (ADR 0038): they ignore what stands beside a $ref, and make unions of a schema whose root has anyOf or oneOf.
func TestSchemasKeepToWhatGeneratorsRead(t *testing.T) {
	documents := map[string]any{"asyncapi.yaml": asyncAPIDocument(t)}
	for _, name := range schemas.JSONSchemaNames() {
		b, _ := schemas.JSONSchema(name)
		var doc node
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		documents[name] = doc
		for _, keyword := range []string{"anyOf", "oneOf"} {
			if doc[keyword] != nil {
				t.Errorf("%s: %s at the root", name, keyword)
			}
		}
	}
	references := 0
	for name, doc := range documents {
		walk(doc, "", func(path string, m node) {
			if strings.Contains(path, "/examples") {
				return
			}
			if _, ok := m["$ref"].(string); ok {
				if references++; len(m) > 1 {
					t.Errorf("%s%s: beside $ref stand %v", name, path, slices.Sorted(maps.Keys(m)))
				}
			}
			properties, ok := m["properties"].(node)
			if !ok || strings.HasSuffix(path, "/properties") {
				return
			}
			for property, p := range properties {
				p, ok := p.(node)
				if !ok || p["type"] != nil {
					continue
				}
				for _, keyword := range narrowing {
					if p[keyword] != nil {
						t.Errorf("%s%s: %s has %s and no type", name, path, property, keyword)
					}
				}
			}
		})
	}
	if references < 100 {
		t.Errorf("found %d references", references)
	}
}

// Generators name types by the title, and AsyncAPI tools by x-parser-schema-id.
func TestEverySchemaAndDefinitionHasItsNames(t *testing.T) {
	titles, ids := map[string]string{}, map[string]string{}
	check := func(where string, n *schemaNode) {
		if n.Title == "" || n.ParserID == "" {
			t.Errorf("%s: title %q, x-parser-schema-id %q", where, n.Title, n.ParserID)
		}
		if other, ok := titles[n.Title]; ok {
			t.Errorf("%s and %s have the title %q", where, other, n.Title)
		}
		if other, ok := ids[n.ParserID]; ok {
			t.Errorf("%s and %s have the x-parser-schema-id %q", where, other, n.ParserID)
		}
		titles[n.Title], ids[n.ParserID] = where, where
	}
	for _, name := range schemas.JSONSchemaNames() {
		n := loadSchema(t, name)
		check(name, n)
		for def, d := range n.Defs {
			check(name+"#/$defs/"+def, d)
		}
	}
	doc, inline := asyncAPIDocument(t), map[string]node{}
	for name, s := range mapping(t, doc, "/components/schemas") {
		inline["schemas/"+name] = s.(node)
	}
	for name, m := range mapping(t, doc, "/components/messages") {
		for _, part := range []string{"headers", "payload"} {
			if s, ok := m.(node)[part].(node); ok && s["$ref"] == nil && s["schemaFormat"] == nil {
				inline["messages/"+name+"/"+part] = s
			}
		}
	}
	for where, s := range inline {
		title, _ := s["title"].(string)
		id, _ := s["x-parser-schema-id"].(string)
		check("asyncapi.yaml: "+where, &schemaNode{Title: title, ParserID: id})
	}
}
