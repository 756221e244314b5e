package chart

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/coexstream/coexstream/schemas/provider"
)

// Value is a leaf of values.yaml: a scalar, a list, or a map whose keys the user chooses.
type Value struct {
	Path    []string // such as ingress, spool, size
	Doc     string   // comment that begins with "# --"
	Default *yaml.Node
}

// Name is the path, joined by dots.
func (v *Value) Name() string { return strings.Join(v.Path, ".") }

// open lists maps whose keys the user chooses, by their last name. All other maps are closed.
var open = map[string]bool{
	"config": true, "commonLabels": true, "annotations": true, "podAnnotations": true, "podLabels": true, "labels": true, "nodeSelector": true,
	"affinity": true, "resources": true,
}

// allowed lists the values of enumerations, by the whole name or the last part of it.
var allowed = map[string][]any{
	"mode": {"roles", "up"}, "image.pullPolicy": {"Always", "IfNotPresent", "Never"}, "service.type": {"ClusterIP", "NodePort", "LoadBalancer"},
}

// patterns of texts, by the last name.
var patterns = map[string]string{
	"shutdownTimeout": `^([0-9]+(ms|s|m|h))+$`, "size": `^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$`, "digest": `^(sha256:[0-9a-f]{64})?$`,
}

// roles are the names for secrets[].roles.
var roles = []any{"ingress", "processor", "sink-postgres", "sink-webhook", "sink-archive", "sink-media", "desk", "topics", "up"}

// items are the schemas of lists with objects of the chart's own. Other lists hold objects of Kubernetes.
var items = map[string]map[string]any{
	"secrets": object(map[string]any{
		"name": map[string]any{"type": "string", "pattern": "^[a-z0-9-]{1,50}$"}, "secretName": map[string]any{"type": "string"},
		"csi":   map[string]any{"type": "object"},
		"roles": map[string]any{"type": "array", "items": map[string]any{"enum": roles}},
	}, "name"),
	"externalSecrets": object(map[string]any{
		"name": map[string]any{"type": "string"}, "refreshInterval": map[string]any{"type": "string"}, "secretStoreRef": map[string]any{"type": "object"},
		"data": map[string]any{"type": "array"}, "dataFrom": map[string]any{"type": "array"},
	}, "name", "secretStoreRef"),
	"desk.tokens": object(map[string]any{
		"provider": map[string]any{"enum": syncing()}, "secretName": map[string]any{"type": "string"}, "csi": map[string]any{"type": "object"},
	}, "provider"),
	"endpoints": {"type": "object", "required": []string{"name", "url"}},
}

// syncing lists the providers that a desk can call.
func syncing() (names []any) {
	for _, p := range provider.Syncing() {
		names = append(names, p.Name)
	}
	return names
}

func object(properties map[string]any, required ...string) map[string]any {
	o := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

// Values reads values.yaml. A map that is neither open nor empty is a section of values.
func Values(content []byte) ([]Value, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(content, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) != 1 {
		return nil, fmt.Errorf("%d documents, want 1", len(doc.Content))
	}
	return sections(nil, doc.Content[0]), nil
}

func sections(path []string, of *yaml.Node) (values []Value) {
	for i := 0; i+1 < len(of.Content); i += 2 {
		key, value := of.Content[i], of.Content[i+1]
		here := append(append([]string{}, path...), key.Value)
		if value.Kind == yaml.MappingNode && !open[key.Value] {
			values = append(values, sections(here, value)...)
			continue
		}
		values = append(values, Value{Path: here, Doc: docOf(key.HeadComment), Default: value})
	}
	return values
}

// docOf returns the text from "# --" on. A comment without it documents nothing.
func docOf(comment string) string {
	_, text, found := strings.Cut("\n"+comment, "\n# -- ")
	if !found {
		return ""
	}
	return strings.ReplaceAll(text, "\n# ", " ")
}

// Schema returns values.schema.json: closed, with the type of each default.
func Schema(values []Value) ([]byte, error) {
	root := object(map[string]any{"global": map[string]any{"type": "object", "description": "Values of a parent chart; unused."}})
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	for i := range values {
		v := &values[i]
		at := root
		for _, section := range v.Path[:len(v.Path)-1] {
			properties := at["properties"].(map[string]any) //nolint:errcheck,forcetypeassert // object makes it so
			if properties[section] == nil {
				properties[section] = object(map[string]any{})
			}
			at = properties[section].(map[string]any) //nolint:errcheck,forcetypeassert // the same
		}
		at["properties"].(map[string]any)[v.Path[len(v.Path)-1]] = schemaOf(v) //nolint:errcheck,forcetypeassert // the same
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(root)
	return b.Bytes(), err
}

func schemaOf(v *Value) map[string]any {
	last := v.Path[len(v.Path)-1]
	s := map[string]any{"description": v.Doc}
	switch {
	case v.Default.Kind == yaml.SequenceNode:
		s["type"] = "array"
		if of := items[v.Name()]; of != nil {
			s["items"] = of
		}
	case v.Default.Kind == yaml.MappingNode:
		s["type"] = "object"
	case v.Default.Tag == "!!bool":
		s["type"] = "boolean"
	case v.Default.Tag == "!!int":
		s["type"], s["minimum"] = "integer", 0
	default:
		s["type"] = "string"
	}
	for name, values := range allowed {
		if v.Name() == name || strings.HasSuffix(v.Name(), "."+name) {
			s["enum"] = values
		}
	}
	if p := patterns[last]; p != "" {
		s["pattern"] = p
	}
	return s
}

// Table returns the reference of the values as a table of Markdown.
func Table(values []Value) (string, error) {
	var b strings.Builder
	b.WriteString("| value | default | meaning |\n| --- | --- | --- |\n")
	for i := range values {
		v := &values[i]
		var of any
		if err := v.Default.Decode(&of); err != nil {
			return "", fmt.Errorf("%s: %w", v.Name(), err)
		}
		text, err := json.Marshal(of)
		if err != nil {
			return "", fmt.Errorf("%s: %w", v.Name(), err)
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", v.Name(), text, strings.ReplaceAll(v.Doc, "|", `\|`))
	}
	return b.String(), nil
}
