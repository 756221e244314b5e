package truth

import (
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/coexstream/coexstream/schemas"
)

// Directions of an item.
const (
	In           = "i"
	Out          = "o"
	OutOrUnknown = "O" // it was sent, but only a reader that knows the business's number can see that
	Unknown      = "u" // it has none
)

// Item is one message, asset, echo, status or error. In the file it is an array, because there are a
// million of them: [wamid, rank, person, timestamp, direction, type, status, digest, original, twin].
type Item struct {
	WAMID     string
	Rank      schemas.Rank
	Person    int   // index into the part's People, -1: none
	Timestamp int64 // Unix seconds
	Direction string
	Type      string
	Status    string // as expected in the event
	Digest    Digest // of the verbatim object
	Original  string // wamid of the message that an edit or a revoke concerns
	Twin      string // the first wamid of a message that appears here under its second one
}

// MarshalJSON writes the item as an array.
func (it *Item) MarshalJSON() ([]byte, error) { return it.appendJSON(make([]byte, 0, 160)) }

func (it *Item) appendJSON(b []byte) ([]byte, error) {
	var err error
	str := func(s string) {
		if err == nil {
			b, err = jsontext.AppendQuote(b, s)
		}
	}
	b = append(b, '[')
	str(it.WAMID)
	b = append(b, ',')
	b = strconv.AppendUint(b, uint64(it.Rank), 10)
	b = append(b, ',')
	b = strconv.AppendInt(b, int64(it.Person), 10)
	b = append(b, ',')
	b = strconv.AppendInt(b, it.Timestamp, 10)
	b = append(b, ',')
	str(it.Direction)
	b = append(b, ',')
	str(it.Type)
	b = append(b, ',')
	str(it.Status)
	b = append(b, ',', '"')
	b, _ = it.Digest.AppendText(b)
	b = append(b, '"')
	if it.Original != "" || it.Twin != "" {
		b = append(b, ',')
		str(it.Original)
		b = append(b, ',')
		str(it.Twin)
	}
	return append(b, ']'), err
}

// UnmarshalJSONFrom parses the result of MarshalJSON.
func (it *Item) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*it = Item{}
	tok, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() != '[' {
		return fmt.Errorf("item: %s instead of an array", tok.Kind())
	}
	for i := 0; ; i++ {
		if tok, err = dec.ReadToken(); err != nil {
			return err
		}
		switch {
		case tok.Kind() == ']':
			if i < 8 {
				return fmt.Errorf("item: %d elements instead of at least 8", i)
			}
			return nil
		case (i >= 1 && i <= 3) != (tok.Kind() == '0'), i != 1 && i != 2 && i != 3 && tok.Kind() != '"':
			return fmt.Errorf("item: element %d is a %s", i, tok.Kind())
		}
		switch i {
		case 0:
			it.WAMID = tok.String()
		case 1, 2, 3:
			n, err := tok.Int()
			if err != nil {
				return fmt.Errorf("item: element %d: %w", i, err)
			}
			switch i {
			case 1:
				it.Rank = schemas.Rank(n)
			case 2:
				it.Person = int(n)
			case 3:
				it.Timestamp = n
			}
		case 4:
			it.Direction = intern(tok.String())
		case 5:
			it.Type = tok.String()
		case 6:
			it.Status = tok.String()
		case 7:
			if err := it.Digest.UnmarshalText([]byte(tok.String())); err != nil {
				return fmt.Errorf("item: %w", err)
			}
		case 8:
			it.Original = tok.String()
		case 9:
			it.Twin = tok.String()
		}
	}
}

func intern(direction string) string {
	switch direction {
	case In:
		return In
	case Out:
		return Out
	}
	return direction
}
