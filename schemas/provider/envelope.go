package provider

// Envelope is a provider's own envelope, beside Meta's {object, entry[{id, time, changes[{field, value}]}]}. A provider that
// passes Meta's through has none. At most one of the two is set.
type Envelope struct {
	Wrapped *Wrapped
	Native  *Native
}

// Wrapped is an object around one value of Meta's: {field, value{WABA id, …}}.
type Wrapped struct {
	Field string // member with the name of the field
	Value string // member with the value
	WABA  string // member of the value with the WABA id
}

// Native is one event in a body, in the provider's own words: {type, …, object}. The tables give each of its names the meaning
// that the neutral change has. Names that are in no table are skipped. A table must not give a name another meaning than the
// same table of another provider does.
type Native struct {
	// A body is such an event where its type has this prefix, or where it has a type and the member Version.
	Prefix  string
	Version string

	// Root are members of the body.
	Root map[string]Property
	// Object is the prefix of members of the body that hold an object: what the event is about.
	Object string
	// Inbound and Sent are those that hold a message: from the WhatsApp user, and from the business. Of several of Sent in one
	// body the first in this list counts.
	Inbound string
	Sent    []string

	Message map[string]Property // members of a message
	Subject map[string]Property // members of the other objects

	// Types gives events their meaning by their type. Events of other types go to the topic other.
	Types map[string]Meaning
}

// Meaning is what a type of event stands for.
type Meaning struct {
	As Kind
	// Object is the member that holds the contacts or the account event.
	Object string
	// Event is the account event where no property of the object names it.
	Event string
	// WABA reports that the id of the object is that of the WABA.
	WABA bool
}

// Kind is what an event becomes.
type Kind uint8

// The kinds.
const (
	Unknown  Kind = iota
	History       // a chunk of history with one message, or with its progress alone
	Message       // the message from the user
	Echo          // the message that the business sent from its phone
	Status        // the status of the message that the business sent
	Contacts      // changes of the address book
	Account       // an account event; without a name of the event it goes to the topic other
)

// Property is what a member of a native event means. Numbers of people may have a plus in front; times are RFC 3339.
type Property uint8

// The properties.
const (
	Skipped Property = iota

	Type      // text: of the event; of a message, its type
	Phase     // of the chunk
	Progress  // of the chunk
	CreatedAt // of the event or the message
	WABA      // id

	WAMID // of the message
	ID    // of the object, by the provider
	From
	To
	MessageStatus
	FromUser   // business-scoped id of the sender
	FromParent // the same, of the parent business
	ToUser
	ToParent
	RecipientUser // other names for these two
	RecipientParent
	Group
	SentAt
	DeliveredAt
	ReadAt
	UpdatedAt
	StatusAt // when the message came to its status
	NumberID // id of the business's number, where the number itself is not told
	Profile  // object with name and username of the user

	// Objects as Meta writes them.
	Revoke
	Edit
	Errors
	System

	Number         // of the business
	AccountEvent   // name of the account event
	ContactChanges // array as Meta's state_sync, its names in camel or snake case
)
