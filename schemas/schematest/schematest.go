// Package schematest compares webhooks and events with the contract: JSON Schemas for values, the AsyncAPI document for
// topics, types and headers. It is for tests and for checkers; the pipeline does not validate its output.
//
// A Validator is made once, takes a few milliseconds to make, and is safe for concurrent use.
package schematest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/coexstream/coexstream/schemas"
	"github.com/coexstream/coexstream/schemas/provider"
)

// asyncAPIURL is the address of the AsyncAPI document for its references to the schemas.
const asyncAPIURL = "https://github.com/coexstream/coexstream/schemas/asyncapi.yaml"

// Validator holds the compiled schemas.
type Validator struct {
	schemas  map[string]*jsonschema.Schema // by name
	messages map[messageID]message
}

type messageID struct {
	topic  schemas.Topic
	ceType string
}

type message struct {
	headers, payload *jsonschema.Schema
	tombstone        bool
}

// New compiles all schemas and the AsyncAPI document.
func New() (*Validator, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	for _, name := range schemas.JSONSchemaNames() {
		b, _ := schemas.JSONSchema(name)
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
		if err := c.AddResource(schemas.SchemaBase+name+".json", doc); err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
	}
	doc, err := parseAsyncAPI()
	if err != nil {
		return nil, err
	}
	if err := c.AddResource(asyncAPIURL, doc); err != nil {
		return nil, fmt.Errorf("asyncapi.yaml: %w", err)
	}

	v := &Validator{schemas: map[string]*jsonschema.Schema{}, messages: map[messageID]message{}}
	for _, name := range schemas.JSONSchemaNames() {
		if v.schemas[name], err = c.Compile(schemas.SchemaBase + name + ".json"); err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
	}
	for name, typ := range messageNames(doc) {
		for _, e := range schemas.EventTypes() {
			if e.Type != typ {
				continue
			}
			m := message{tombstone: e.Schema == ""}
			at := asyncAPIURL + "#/components/messages/" + name
			if m.headers, err = c.Compile(at + "/headers"); err != nil {
				return nil, fmt.Errorf("asyncapi.yaml: headers of %s: %w", name, err)
			}
			if !m.tombstone {
				if m.payload, err = c.Compile(at + "/payload/schema"); err != nil {
					return nil, fmt.Errorf("asyncapi.yaml: payload of %s: %w", name, err)
				}
			}
			v.messages[messageID{e.Topic, e.Type}] = m
		}
	}
	return v, nil
}

// Event checks one record of an event topic: that the topic carries its ce_type, that its headers are
// those of the AsyncAPI document, and that its value is valid by the schema of its type. headers holds
// the last value of each header.
func (v *Validator) Event(topic schemas.Topic, headers map[string]string, value []byte) error {
	ceType := headers[schemas.HeaderCEType]
	m, ok := v.messages[messageID{topic, ceType}]
	if !ok {
		return fmt.Errorf("topic %s does not carry events of type %q", topic, ceType)
	}
	instance := make(map[string]any, len(headers))
	for k, h := range headers {
		instance[k] = h
	}
	if err := m.headers.Validate(instance); err != nil {
		return fmt.Errorf("headers of a %s event: %w", ceType, err)
	}
	if m.tombstone {
		if len(value) > 0 {
			return fmt.Errorf("a %s event is a tombstone, but has a value of %d bytes", ceType, len(value))
		}
		return nil
	}
	if err := validate(m.payload, value); err != nil {
		return fmt.Errorf("value of a %s event: %w", ceType, err)
	}
	return nil
}

// Webhook checks the body of a webhook: by the schema of the provider's envelope, or by that of a bare
// value where there is no envelope.
func (v *Validator) Webhook(of string, body []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return fmt.Errorf("webhook of %s: %w", of, err)
	}
	if err := v.Value(webhookSchema(of, members), body); err != nil {
		return fmt.Errorf("webhook of %s: %w", of, err)
	}
	return nil
}

// webhookSchema is the schema of a body with these members.
func webhookSchema(of string, members map[string]json.RawMessage) string {
	has := func(name string) bool { return len(members[name]) > 0 && members[name][0] != 'n' }
	p := provider.Named(of)
	switch {
	case has("object"):
		// The standard envelope, from any sender.
	case p != nil && p.Envelope.Wrapped != nil && has(p.Envelope.Wrapped.Value):
		return "webhook." + of
	case p != nil && p.Envelope.Native != nil:
		return "webhook." + of
	case has("metadata"):
		return "webhook.bare"
	}
	return "webhook." + provider.Default().Name
}

// Value checks a JSON text by the schema of that name.
func (v *Validator) Value(name string, value []byte) error {
	s, ok := v.schemas[name]
	if !ok {
		return fmt.Errorf("there is no schema %q", name)
	}
	return validate(s, value)
}

func validate(s *jsonschema.Schema, value []byte) error {
	if len(value) == 0 {
		return errors.New("there is no value")
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		return err
	}
	return s.Validate(instance)
}

// parseAsyncAPI reads the YAML document as the JSON values that the schema compiler works on.
func parseAsyncAPI() (any, error) {
	var doc map[string]any
	if err := yaml.Unmarshal(schemas.AsyncAPI(), &doc); err != nil {
		return nil, fmt.Errorf("asyncapi.yaml: %w", err)
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("asyncapi.yaml as JSON: %w", err)
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(b))
}

// messageNames maps the document's messages to their names: the ce_type, for events.
func messageNames(doc any) map[string]string {
	names := map[string]string{}
	components, _ := doc.(map[string]any)["components"].(map[string]any)
	messages, _ := components["messages"].(map[string]any)
	for id, m := range messages {
		if m, ok := m.(map[string]any); ok {
			names[id], _ = m["name"].(string)
		}
	}
	return names
}

// TB is as much of testing.TB as is needed here.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

var compiled = sync.OnceValues(New)

// Event fails the test when the record is not as Validator.Event has it.
func Event(t TB, topic schemas.Topic, headers map[string]string, value []byte) {
	t.Helper()
	v, err := compiled()
	if err == nil {
		err = v.Event(topic, headers, value)
	}
	if err != nil {
		t.Fatalf("%v\nheaders %v\nvalue %s", err, headers, value)
	}
}

// Webhook fails the test when the body is not as Validator.Webhook has it.
func Webhook(t TB, provider string, body []byte) {
	t.Helper()
	v, err := compiled()
	if err == nil {
		err = v.Webhook(provider, body)
	}
	if err != nil {
		t.Fatalf("%v\nbody %s", err, body)
	}
}
