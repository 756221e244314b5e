package split

// Fields whose changes carry parts, and the other names by which they are known.
const (
	fieldHistory   = "history"
	fieldMessages  = "messages"
	fieldEchoes    = "smb_message_echoes"
	fieldContacts  = "smb_app_state_sync"
	fieldStandby   = "standby"
	fieldHandovers = "messaging_handovers"
)

var echoesField, messagesField = []byte(fieldEchoes), []byte(fieldMessages) // never written to

// fieldNamed is a field by the name that the documents use. Applications subscribe to, and partners pass on, others.
func fieldNamed(field []byte) []byte {
	switch string(field) {
	case "message_echoes":
		return echoesField
	case "statuses":
		return messagesField
	}
	return field
}

// FieldName is the name by which a field is told in Change.Field.
func FieldName(field string) string { return string(fieldNamed([]byte(field))) }

// carriesParts tells whether a field carries messages, statuses, contacts or history by its definition.
func carriesParts(field []byte) bool {
	switch string(field) {
	case fieldHistory, fieldMessages, fieldEchoes, fieldContacts, fieldStandby:
		return true
	}
	return false
}
