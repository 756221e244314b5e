package split

import "github.com/coexstream/coexstream/schemas/provider"

// words has the words of the envelopes of all providers together, because a body is read before its provider is
// known.
var words = newVocabulary(provider.All())

// vocabulary maps names of members and types of events to their meaning.
type vocabulary struct {
	root             table[rootWord]
	message, subject table[provider.Property]
	types            table[nativeType]
	wrapped          *provider.Wrapped // the first of them

	prefixes []string // of types of native events
	objects  []string // prefixes of members with an object
}

// rootWord is the meaning of a member of the root.
type rootWord struct {
	kind  rootKind
	means provider.Property // of nativeProperty
	waba  string            // of wrappedValue: its member with the WABA id
	at    int               // of nativeAbout and nativeBook: position in nativeEvent.subjects; of nativeSent: in nativeEvent.sent
}

type rootKind uint8

const (
	notAWord rootKind = iota
	wrappedField
	wrappedValue
	nativeVersion
	nativeProperty
	nativeInbound
	nativeSent
	nativeAbout // an account event
	nativeBook  // contacts
)

// nativeType is the meaning of a type, with its texts as in a change.
type nativeType struct {
	provider.Meaning
	event []byte
	at    int // of its object in nativeEvent.subjects
}

// The numbers of members of the root for contacts or account events, and for messages of the business, of all
// providers together.
const (
	subjectsMax = 4
	sentMax     = 2
)

func newVocabulary(all []*provider.Provider) *vocabulary {
	v := &vocabulary{}
	positions, sent := map[string]int{}, 0
	for _, p := range all {
		if w := p.Envelope.Wrapped; w != nil {
			if v.wrapped == nil {
				v.wrapped = w
			}
			v.root.add(w.Field, rootWord{kind: wrappedField})
			v.root.add(w.Value, rootWord{kind: wrappedValue, waba: w.WABA})
		}
		n := p.Envelope.Native
		if n == nil {
			continue
		}
		v.prefixes, v.objects = append(v.prefixes, n.Prefix), append(v.objects, n.Object)
		v.root.add(n.Version, rootWord{kind: nativeVersion})
		v.root.add(n.Inbound, rootWord{kind: nativeInbound})
		for _, name := range n.Sent {
			v.root.add(name, rootWord{kind: nativeSent, at: sent})
			sent++
		}
		for name, means := range n.Root {
			v.root.add(name, rootWord{kind: nativeProperty, means: means})
		}
		for name, means := range n.Message {
			v.message.add(name, means)
		}
		for name, means := range n.Subject {
			v.subject.add(name, means)
		}
		for name, m := range n.Types {
			at, known := positions[m.Object]
			if m.Object != "" && !known {
				at = len(positions)
				positions[m.Object] = at
				kind := nativeAbout
				if m.As == provider.Contacts {
					kind = nativeBook
				}
				v.root.add(m.Object, rootWord{kind: kind, at: at})
			}
			v.types.add(name, nativeType{m, []byte(m.Event), at})
		}
	}
	return v
}

// table finds a short text. A map would cost several times more.
type table[T any] struct {
	byLength [][]entry[T]
}

type entry[T any] struct {
	name  string
	value T
}

func (t *table[T]) add(name string, value T) {
	for len(t.byLength) <= len(name) {
		t.byLength = append(t.byLength, nil)
	}
	t.byLength[len(name)] = append(t.byLength[len(name)], entry[T]{name, value})
}

// of returns the value of a name, or nil.
func (t *table[T]) of(name []byte) *T {
	if len(name) < len(t.byLength) {
		found := t.byLength[len(name)]
		for i := range found {
			if found[i].name == string(name) {
				return &found[i].value
			}
		}
	}
	return nil
}
