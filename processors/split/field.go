package split

// Fields whose changes carry parts, and their other names.
const (
	fieldHistory   = "history"
	fieldMessages  = "messages"
	fieldEchoes    = "smb_message_echoes"
	fieldContacts  = "smb_app_state_sync"
	fieldStandby   = "standby"
	fieldHandovers = "messaging_handovers"
)

var echoesField, messagesField = []byte(fieldEchoes), []byte(fieldMessages) // never written to

// fieldNamed returns the documented name of a field. Applications subscribe to others, and partners pass on others.
func fieldNamed(field []byte) []byte {
	switch string(field) {
	case "message_echoes":
		return echoesField
	case "statuses":
		return messagesField
	}
	return field
}

// FieldName returns the name of a field in Change.Field.
func FieldName(field string) string { return string(fieldNamed([]byte(field))) }

// carriesParts reports whether a field carries messages, statuses, contacts or history by definition.
func carriesParts(field []byte) bool {
	switch string(field) {
	case fieldHistory, fieldMessages, fieldEchoes, fieldContacts, fieldStandby:
		return true
	}
	return false
}
