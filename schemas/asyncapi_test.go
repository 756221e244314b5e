package schemas_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/coexstream/coexstream/schemas"
)

const defaultPrefix = "coex."

// node is a mapping of the AsyncAPI document.
type node = map[string]any

func asyncAPIDocument(t *testing.T) node {
	t.Helper()
	var doc node
	if err := yaml.Unmarshal(schemas.AsyncAPI(), &doc); err != nil {
		t.Fatalf("asyncapi.yaml: %v", err)
	}
	return doc
}

// at follows a JSON pointer.
func at(doc any, pointer string) (any, bool) {
	for _, part := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		m, ok := doc.(node)
		if !ok {
			return nil, false
		}
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		if doc, ok = m[part]; !ok {
			return nil, false
		}
	}
	return doc, true
}

func mapping(t *testing.T, doc any, pointer string) node {
	t.Helper()
	v, _ := at(doc, pointer)
	m, ok := v.(node)
	if !ok {
		t.Fatalf("asyncapi.yaml: %s is no mapping", pointer)
	}
	return m
}

// walk calls visit for every mapping of the document.
func walk(v any, path string, visit func(path string, m node)) {
	switch v := v.(type) {
	case node:
		visit(path, v)
		for k, inner := range v {
			walk(inner, path+"/"+k, visit)
		}
	case []any:
		for i, inner := range v {
			walk(inner, path+"/"+strconv.Itoa(i), visit)
		}
	}
}

func TestEveryTopicIsAChannelAndEveryChannelATopic(t *testing.T) {
	doc := asyncAPIDocument(t)
	channels := map[string]node{}
	for id, c := range mapping(t, doc, "/channels") {
		c := c.(node)
		address, _ := c["address"].(string)
		name, ok := strings.CutPrefix(address, defaultPrefix)
		topic, known := schemas.ParseTopic(name)
		if !ok || !known {
			t.Errorf("channel %s: no topic has the address %q", id, address)
			continue
		}
		channels[name] = c
		policies, _ := at(c, "/bindings/kafka/topicConfiguration/cleanup.policy")
		if compacted := slices.Equal(policies.([]any), []any{"compact"}); compacted != topic.Compacted() {
			t.Errorf("channel %s: cleanup.policy %v, but Compacted is %v", id, policies, topic.Compacted())
		}
		if len(c["messages"].(node)) == 0 || c["description"] == "" {
			t.Errorf("channel %s: no message, or no description", id)
		}
	}
	for _, topic := range schemas.Topics() {
		if channels[topic.String()] == nil {
			t.Errorf("topic %s has no channel", topic)
		}
	}
}

func TestEveryReferenceOfTheAsyncAPIDocumentLeadsSomewhere(t *testing.T) {
	doc := asyncAPIDocument(t)
	n := 0
	walk(doc, "", func(path string, m node) {
		ref, ok := m["$ref"].(string)
		if !ok {
			return
		}
		n++
		if name, ok := strings.CutPrefix(ref, "./jsonschema/"); ok {
			if _, ok := schemas.JSONSchema(strings.TrimSuffix(name, ".json")); !ok {
				t.Errorf("%s: there is no %s", path, ref)
			}
		} else if pointer, ok := strings.CutPrefix(ref, "#"); !ok {
			t.Errorf("%s: %s is neither local nor a schema", path, ref)
		} else if _, ok := at(doc, pointer); !ok {
			t.Errorf("%s: %s leads nowhere", path, ref)
		}
	})
	if n == 0 {
		t.Error("no reference was found")
	}
}

func TestEveryEventTypeIsAMessageOfItsTopicsChannel(t *testing.T) {
	doc := asyncAPIDocument(t)
	types := map[string]schemas.EventType{}
	for _, e := range schemas.EventTypes() {
		types[e.Type] = e
	}
	seen := map[string]bool{}
	for id, c := range mapping(t, doc, "/channels") {
		for name, m := range c.(node)["messages"].(node) {
			ref := strings.TrimPrefix(m.(node)["$ref"].(string), "#")
			message := mapping(t, doc, ref)
			if ref != "/components/messages/"+name {
				t.Errorf("channel %s: message %s is %s", id, name, ref)
			}
			key, ok := at(message, "/bindings/kafka/key/description")
			if !ok || key == "" {
				t.Errorf("message %s: its key is not described", name)
			}
			typ, _ := message["name"].(string)
			e, isEvent := types[typ]
			if !isEvent {
				if strings.HasPrefix(typ, "com.coexstream.") {
					t.Errorf("message %s: no event has the type %s", name, typ)
				}
				continue
			}
			seen[typ] = true
			if got := c.(node)["address"]; got != e.Topic.Name(defaultPrefix) {
				t.Errorf("%s stands on %v, not on %s", typ, got, e.Topic)
			}
			if got, _ := at(message, "/headers/allOf"); got.([]any)[1].(node)["properties"].(node)["ce_type"].(node)["const"] != typ {
				t.Errorf("message %s: the header ce_type is not %s", name, typ)
			}
			schema, _ := at(message, "/payload/schema/$ref")
			if e.Schema != "" && schema != "./jsonschema/"+e.Schema+".json" {
				t.Errorf("%s: its payload is %v, not %s", typ, schema, e.Schema)
			}
		}
	}
	for typ := range types {
		if !seen[typ] {
			t.Errorf("%s is a message of no channel", typ)
		}
	}
}

func TestEveryChannelHasAnOperationWithAllItsMessages(t *testing.T) {
	doc := asyncAPIDocument(t)
	operated := map[string]bool{}
	for id, o := range mapping(t, doc, "/operations") {
		o := o.(node)
		if action := o["action"]; action != "send" && action != "receive" {
			t.Errorf("operation %s: action %v", id, action)
		}
		channel := o["channel"].(node)["$ref"].(string)
		operated[channel] = true
		var named []string
		for _, m := range o["messages"].([]any) {
			named = append(named, m.(node)["$ref"].(string))
		}
		for name := range mapping(t, doc, strings.TrimPrefix(channel, "#"))["messages"].(node) {
			if !slices.Contains(named, channel+"/messages/"+name) {
				t.Errorf("operation %s does not name message %s", id, name)
			}
		}
	}
	for id := range mapping(t, doc, "/channels") {
		if !operated["#/channels/"+id] {
			t.Errorf("channel %s has no operation", id)
		}
	}
}

func TestTheDocumentedHeadersAreTheConstants(t *testing.T) {
	documented := map[string]bool{}
	walk(asyncAPIDocument(t), "", func(path string, m node) {
		if strings.HasSuffix(path, "Headers") && strings.HasPrefix(path, "/components/schemas/") {
			if props, ok := m["properties"].(node); ok {
				for name := range props {
					documented[name] = true
				}
			}
			required, _ := m["required"].([]any)
			for _, name := range required {
				if !documented[name.(string)] {
					documented[name.(string)] = false
				}
			}
		}
	})
	constants := headerConstants(t)
	for name, value := range constants {
		if !documented[value] {
			t.Errorf("%s (%s) is not in the AsyncAPI document", name, value)
		}
		delete(documented, value)
	}
	for value := range documented {
		t.Errorf("the AsyncAPI document has a header %s, for which there is no constant", value)
	}
}

func TestTheDocumentedReasonsAreTheConstants(t *testing.T) {
	v, ok := at(asyncAPIDocument(t), "/components/schemas/deadLetterHeaders/properties/"+schemas.HeaderDLQReason+"/examples")
	if !ok {
		t.Fatal("the reasons are not documented")
	}
	var documented, want []string
	for _, r := range v.([]any) {
		documented = append(documented, r.(string))
	}
	for name, value := range stringConstants(t, "reason.go") {
		if strings.HasPrefix(name, "Reason") {
			want = append(want, value)
		}
	}
	slices.Sort(documented)
	slices.Sort(want)
	if !slices.Equal(documented, want) {
		t.Errorf("documented %v\nconstants  %v", documented, want)
	}
}

func headerConstants(t *testing.T) map[string]string {
	t.Helper()
	all := stringConstants(t, "headers.go")
	for name := range all {
		if !strings.HasPrefix(name, "Header") {
			delete(all, name)
		}
	}
	if len(all) == 0 {
		t.Fatal("headers.go has no constants")
	}
	return all
}

// stringConstants reads the constants of a file of this package.
func stringConstants(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			if i < len(spec.Values) {
				if lit, ok := spec.Values[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if all[name.Name], err = strconv.Unquote(lit.Value); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		return true
	})
	return all
}
