package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Redacted replaces a secret.
const Redacted = "<redacted>"

// Print writes the effective configuration as YAML that Load reads again, secrets redacted, each value
// that is not a default with its origin as a comment.
func (c *Config) Print(w io.Writer) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	sections := map[string]*yaml.Node{"": root}
	for _, k := range Keys() {
		value, err := c.node(&k)
		if err != nil {
			return err
		}
		if value == nil {
			continue
		}
		if from := c.origins[k.Name]; from != "" {
			value.LineComment = "from " + from
		}
		path, name := "", k.Name
		if i := strings.LastIndexByte(k.Name, '.'); i >= 0 {
			path, name = k.Name[:i], k.Name[i+1:]
		}
		parent := section(sections, path)
		parent.Content = append(parent.Content, scalar(name), value)
	}
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return enc.Close()
}

func section(sections map[string]*yaml.Node, path string) *yaml.Node {
	if n := sections[path]; n != nil {
		return n
	}
	parent, name := "", path
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		parent, name = path[:i], path[i+1:]
	}
	n := &yaml.Node{Kind: yaml.MappingNode}
	up := section(sections, parent)
	up.Content = append(up.Content, scalar(name), n)
	sections[path] = n
	return n
}

// Hash identifies the configuration of a group. It leaves out keys of one instance (Own), the paths of files, and secrets,
// which could be guessed from it. The presence of a file or a secret is part of it.
func (c *Config) Hash() (string, error) {
	h := sha256.New()
	keys := Keys()
	for i := range keys {
		n, err := c.common(&keys[i])
		if err != nil {
			return "", err
		}
		if n == nil {
			continue
		}
		b, err := yaml.Marshal(n)
		if err != nil {
			return "", err
		}
		h.Write(append([]byte(keys[i].Name+": "), b...))
	}
	return hex.EncodeToString(h.Sum(nil))[:12], nil
}

// common returns the part of a key's value that is the same in all instances of a group; nil: none.
func (c *Config) common(k *Key) (*yaml.Node, error) {
	of, isFile := strings.CutSuffix(k.Name, fileSuffix)
	switch {
	case k.Own:
		return nil, nil
	case k.Kind == Sources:
		return c.sourcesNode(withoutPaths)
	case k.Secret:
		return present(c.text(k.Name) + c.text(k.Name+fileSuffix)), nil
	case isFile && slices.ContainsFunc(Keys(), func(k Key) bool { return k.Secret && k.Name == of }):
		return nil, nil // with the secret
	case isFile:
		return present(c.text(k.Name)), nil
	}
	return c.node(k)
}

const fileSuffix = "_file"

// text is the value of a key that is text.
func (c *Config) text(key string) string {
	s, _ := c.values[key].(string)
	return s
}

func present(value string) *yaml.Node {
	if value == "" {
		return nil
	}
	return scalar(Redacted)
}

// withoutPaths is a source as far as its instances have it in common.
func withoutPaths(s *Source) {
	if s.VerifyTokenFile != "" {
		s.VerifyToken, s.VerifyTokenFile = Redacted, ""
	}
	for i := range s.Secrets {
		s.Secrets[i].Value, s.Secrets[i].ValueFile = Redacted, ""
	}
}

func scalar(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }

func (c *Config) node(k *Key) (*yaml.Node, error) {
	if k.Kind == Sources {
		return c.sourcesNode(func(*Source) {})
	}
	n := &yaml.Node{}
	switch v := c.values[k.Name].(type) {
	case time.Duration:
		return scalar(FormatDuration(v)), nil
	case int64:
		if k.Kind == Bytes {
			return scalar(FormatBytes(v)), nil
		}
		return n, n.Encode(v)
	case string:
		if k.Secret && v != "" {
			v = Redacted
		}
		if strings.HasSuffix(k.Name, fileSuffix) && v == "" {
			return nil, nil
		}
		return n, n.Encode(v)
	default:
		return n, n.Encode(v)
	}
}

func (c *Config) sourcesNode(change func(*Source)) (*yaml.Node, error) {
	list := make([]Source, len(c.Ingress.Sources))
	for i, s := range c.Ingress.Sources {
		if s.VerifyToken != "" {
			s.VerifyToken = Redacted
		}
		if s.VerifyTokenFile != "" {
			s.VerifyToken = ""
		}
		s.Secrets = append([]Secret(nil), s.Secrets...)
		for j := range s.Secrets {
			s.Secrets[j].Value = Redacted
			if s.Secrets[j].ValueFile != "" {
				s.Secrets[j].Value = ""
			}
		}
		change(&s)
		list[i] = s
	}
	n := &yaml.Node{}
	return n, n.Encode(list)
}

// Table is the reference of all keys as a Markdown table.
func Table() string {
	var b strings.Builder
	b.WriteString("| key | kind | default | meaning |\n| --- | --- | --- | --- |\n")
	for _, k := range Keys() {
		row(&b, &k)
	}
	return b.String()
}

// SourceTable is the reference of the keys of a source as a Markdown table.
func SourceTable() string {
	var b strings.Builder
	b.WriteString("| key | kind | default | meaning |\n| --- | --- | --- | --- |\n")
	for _, k := range SourceKeys() {
		row(&b, &k)
	}
	return b.String()
}

func row(b *strings.Builder, k *Key) {
	def := ""
	if k.Default != "" {
		def = "`" + k.Default + "`"
	}
	doc := k.Doc
	if k.Kind == Enum {
		doc += " Allowed: `" + strings.Join(k.Allowed, "`, `") + "`."
	}
	if k.Secret {
		doc += " Secret."
	}
	fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", k.Name, k.Kind, def, strings.ReplaceAll(doc, "|", "\\|"))
}

// Reference is the reference of all keys for a terminal.
func Reference() string {
	var b strings.Builder
	write := func(k *Key, env string) {
		fmt.Fprintf(&b, "  %s (%s", k.Name, k.Kind)
		if k.Default != "" {
			fmt.Fprintf(&b, ", default %s", k.Default)
		}
		if k.Secret {
			b.WriteString(", secret")
		}
		fmt.Fprintf(&b, ")\n      %s\n      allowed: %s\n", strings.ReplaceAll(k.Doc, "`", ""), k.allowed())
		if env != "" {
			fmt.Fprintf(&b, "      %s\n", env)
		}
	}
	for _, k := range Keys() {
		write(&k, k.Env())
	}
	b.WriteString("\nKeys of each entry of ingress.sources:\n")
	for _, k := range SourceKeys() {
		write(&k, "")
	}
	return b.String()
}
