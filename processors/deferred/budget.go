package deferred

// Reason is why a record waits for a turn.
type Reason uint8

// The reasons. No record waits without one.
const (
	None Reason = iota
	// LongBody: its body is longer than Limits.BodyBytesMax. It is processed in parts.
	LongBody
	// OverShare: its business has used its share of the transaction, and others have live traffic.
	OverShare
	// InOrder: an earlier record of its business waits.
	InOrder
	ReasonCount
)

var reasonNames = [ReasonCount]string{"none", "long_body", "over_share", "in_order"}

// String is the reason's label in metrics.
func (r Reason) String() string { return reasonNames[r] }

// Limits bound the share of one business in a transaction.
type Limits struct {
	// BodyBytesMax is the longest body that is processed at once.
	BodyBytesMax int64
	// BusinessBytesMax is a business's share of a transaction, in bytes of bodies. The first body always fits.
	BusinessBytesMax int64
	// RecordsMax bounds the waiting records of all lines.
	RecordsMax int
}

// Case is a record of the live lane, with the state of its business.
type Case struct {
	Bytes  int64 // of its body
	Used   int64 // by its business, of this transaction
	Others bool  // other businesses have live traffic
	Waits  bool  // an earlier record of its business waits
}

// Decide reports whether a record is processed at once (None), or why not.
func (l *Limits) Decide(c Case) Reason {
	switch {
	case c.Waits:
		return InOrder
	case c.Bytes > l.BodyBytesMax:
		return LongBody
	case c.Others && c.Used > 0 && c.Used+c.Bytes > l.BusinessBytesMax:
		return OverShare
	}
	return None
}

// Shares are the used shares of the businesses of one partition in a transaction. The zero value is ready.
type Shares struct {
	transaction uint64
	of          map[string]*Share
}

// Share is the used share of one business.
type Share struct {
	transaction uint64
	Bytes       int64
}

// sharesKept bounds the businesses that are remembered for the next transaction, to allocate little.
const sharesKept = 4096

// Begin begins a transaction, in which no share is used.
func (s *Shares) Begin() {
	s.transaction++
	if len(s.of) > sharesKept {
		s.of = nil
	}
}

// Of returns a business's share of the transaction, to read and to add to until the next one begins.
func (s *Shares) Of(business []byte) *Share {
	of := s.of[string(business)]
	if of == nil {
		if s.of == nil {
			s.of = map[string]*Share{}
		}
		of = &Share{}
		s.of[string(business)] = of
	}
	if of.transaction != s.transaction {
		*of = Share{transaction: s.transaction}
	}
	return of
}
