package verify

import (
	"bytes"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/coexstream/coexstream/schemas"
)

// newValidator validates values against the JSON Schema of their ce_type.
func newValidator() (func(ceType string, value []byte) error, error) {
	compiler := jsonschema.NewCompiler()
	for _, name := range schemas.JSONSchemaNames() {
		b, _ := schemas.JSONSchema(name)
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("read the schema %s: %w", name, err)
		}
		if err := compiler.AddResource(schemas.SchemaBase+name+".json", doc); err != nil {
			return nil, fmt.Errorf("add the schema %s: %w", name, err)
		}
	}
	compiled := map[string]*jsonschema.Schema{}
	for _, e := range schemas.EventTypes() {
		if e.Schema == "" {
			continue
		}
		s, err := compiler.Compile(schemas.SchemaBase + e.Schema + ".json")
		if err != nil {
			return nil, fmt.Errorf("compile the schema %s: %w", e.Schema, err)
		}
		compiled[e.Type] = s
	}
	return func(ceType string, value []byte) error {
		s := compiled[ceType]
		if s == nil {
			return fmt.Errorf("no schema for %s", ceType)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
		if err != nil {
			return err
		}
		return s.Validate(doc)
	}, nil
}
