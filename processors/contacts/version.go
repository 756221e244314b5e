package contacts

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/coexstream/coexstream/processors/split"
	"github.com/coexstream/coexstream/schemas"
)

// Version orders the changes of a contact.
type Version struct {
	TimestampMS int64  // metadata.timestamp in Unix milliseconds; 0: none, which is the oldest
	Number      int64  // metadata.version; 0: none
	Digest      uint64 // of the item; changes with the same timestamp, number and digest are one, delivered again
	Arrival     Arrival
}

// DigestOf returns the digest of a state_sync item: of its content (split.Change.Content) and, if it has no timestamp,
// of the time of its entry in Unix seconds. So the same content at another time is another change, unless both times
// are absent.
func DigestOf(item *split.ContactItem, content []byte, entryTime int64) uint64 {
	h := schemas.HashBytes(content)
	if item.TimestampMS > 0 || entryTime == 0 {
		return h.Hi
	}
	return schemas.EditKey(h, entryTime, nil).Hi
}

// Compare is negative if v is older than w, 0 if they are the same change at the same place, positive if v is newer.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.TimestampMS, w.TimestampMS), cmp.Compare(v.Number, w.Number), v.Arrival.Compare(w.Arrival), cmp.Compare(v.Digest, w.Digest))
}

func (v Version) after(w Version) bool { return v.Compare(w) > 0 }

// tied reports whether two changes have one time, so that the order of arrival decides.
func (v Version) tied(w Version) bool { return v.TimestampMS == w.TimestampMS && v.Number == w.Number }

// outdates reports whether w has an older time.
func (v Version) outdates(w Version) bool {
	return cmp.Or(cmp.Compare(v.TimestampMS, w.TimestampMS), cmp.Compare(v.Number, w.Number)) > 0
}

// is reports whether two changes are one, delivered twice.
func (v Version) is(w Version) bool { return v.tied(w) && v.Digest == w.Digest }

// Arrival is the place of a change in the order of arrival: the receipt of its webhook, the offset of the raw record,
// and the place in the body. The zero Arrival is the oldest. It is packed, because every contact has one:
//
//	hi: 42 bits of milliseconds, 22 of the offset; lo: 20 of the offset, 12 of the entry, 12 of the change, 20 of the item
//
// A body has at most 4,096 changes (split.ChangesMax). A larger number counts as the maximum; then the digest decides.
type Arrival struct{ hi, lo uint64 }

const (
	millisBits = 42
	offsetBits = highBits + lowBits
	highBits   = 64 - millisBits // of the offset, in hi
	lowBits    = 64 - placeBits  // of the offset, in lo
	entryBits  = 12
	changeBits = 12
	itemBits   = 20
	placeBits  = entryBits + changeBits + itemBits
)

// ArrivalOf packs an Arrival.
func ArrivalOf(receivedMS, offset int64, entry, change, item int) Arrival {
	at := within(offset, offsetBits)
	return Arrival{
		hi: within(receivedMS, millisBits)<<highBits | at>>lowBits,
		lo: at<<placeBits | within(int64(entry), entryBits)<<(changeBits+itemBits) |
			within(int64(change), changeBits)<<itemBits | within(int64(item), itemBits),
	}
}

func within(n int64, bits int) uint64 { return uint64(min(max(n, 0), 1<<bits-1)) }

// Compare is negative if a arrived before b, and 0 if they are the same.
func (a Arrival) Compare(b Arrival) int {
	return cmp.Or(cmp.Compare(a.hi, b.hi), cmp.Compare(a.lo, b.lo))
}

// sameBody reports whether two changes are in one raw record.
func (a Arrival) sameBody(b Arrival) bool {
	return a != Arrival{} && a.hi == b.hi && a.lo>>placeBits == b.lo>>placeBits
}

// parts returns the numbers that ArrivalOf packed.
func (a Arrival) parts() [5]uint64 {
	return [5]uint64{
		a.hi >> highBits, a.hi&(1<<highBits-1)<<lowBits | a.lo>>placeBits,
		a.lo >> (changeBits + itemBits) & (1<<entryBits - 1), a.lo >> itemBits & (1<<changeBits - 1), a.lo & (1<<itemBits - 1),
	}
}

// received returns when the webhook was received.
func (a Arrival) received() time.Time { return time.UnixMilli(int64(a.hi >> highBits)) }

// appendText appends the arrival as in the header schemas.HeaderContactArrival.
func (a Arrival) appendText(dst []byte) []byte {
	for i, n := range a.parts() {
		if i > 0 {
			dst = append(dst, '/')
		}
		dst = strconv.AppendUint(dst, n, 10)
	}
	return dst
}

// parseArrival parses the result of appendText; an empty text is the zero Arrival.
func parseArrival(text []byte) (Arrival, error) {
	if len(text) == 0 {
		return Arrival{}, nil
	}
	var parts [5]int64
	rest := text
	for i := range parts {
		digits := 0
		for digits < len(rest) && rest[digits]-'0' < 10 {
			digits++
		}
		n, err := strconv.ParseInt(string(rest[:digits]), 10, 64)
		last := i == len(parts)-1
		if err != nil || last != (digits == len(rest)) || !last && rest[digits] != '/' {
			return Arrival{}, fmt.Errorf("header %s %q: want five numbers with slashes between", schemas.HeaderContactArrival, text)
		}
		parts[i] = n
		if !last {
			rest = rest[digits+1:]
		}
	}
	return ArrivalOf(parts[0], parts[1], int(parts[2]), int(parts[3]), int(parts[4])), nil
}
