package schemas

import (
	"embed"
	"path"
	"strings"
)

//go:embed jsonschema/*.json
var schemaFiles embed.FS

//go:embed asyncapi.yaml
var asyncAPI []byte

// SchemaBase is the base of the schemas' $id: a schema's $id is SchemaBase, its name and ".json", and
// references between them are relative to it.
const SchemaBase = "https://github.com/coexstream/coexstream/schemas/jsonschema/"

// JSONSchema returns the JSON Schema (2020-12) of that name: of an event (history, media, contact, echo,
// message, status, error, handover, account, sync, other, asset), of a webhook's envelope (webhook.bare, and
// webhook.<provider>), or one that these refer to (message-event,
// webhook.value). The bytes are the caller's.
func JSONSchema(name string) ([]byte, bool) {
	b, err := schemaFiles.ReadFile("jsonschema/" + name + ".json")
	return b, err == nil
}

// JSONSchemaNames lists the names that JSONSchema knows, sorted.
func JSONSchemaNames() []string {
	entries, err := schemaFiles.ReadDir("jsonschema")
	if err != nil {
		return nil // cannot be: the folder is part of the program
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(path.Base(e.Name()), ".json")
	}
	return names
}

// AsyncAPI is the AsyncAPI 3.0 document of all topics. The bytes are the caller's.
func AsyncAPI() []byte { return append([]byte(nil), asyncAPI...) }

// EventType describes a ce_type.
type EventType struct {
	Type   string // ce_type
	Topic  Topic  // the topic that carries it
	Schema string // name of the value's JSON Schema; empty for a tombstone, which has no value
}

// EventTypes lists every type of event.
func EventTypes() []EventType {
	return []EventType{
		{TypeHistory, TopicHistory, "history"},
		{TypeMedia, TopicMedia, "media"},
		{TypeContact, TopicContacts, "contact"},
		{TypeContactRemoved, TopicContacts, ""},
		{TypeEcho, TopicEchoes, "echo"},
		{TypeMessage, TopicMessages, "message"},
		{TypeStatus, TopicMessages, "status"},
		{TypeError, TopicMessages, "error"},
		{TypeHandover, TopicMessages, "handover"},
		{TypeAccount, TopicAccount, "account"},
		{TypeSync, TopicSyncs, "sync"},
		{TypeSyncRemoved, TopicSyncs, ""},
		{TypeOther, TopicOther, "other"},
		{TypeAsset, TopicAssets, "asset"},
	}
}
