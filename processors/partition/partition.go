package partition

import (
	"fmt"
	"time"

	"github.com/coexstream/coexstream/processors/contacts"
	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/processors/people"
)

// dedupBuckets cuts the de-duplication window: a message is remembered for the window and at most an
// eighth more.
const dedupBuckets = 8

// Partition is the state of one partition.
type Partition struct {
	cfg Config
	out Output

	numbers      map[string]*number      // by number key
	businesses   map[string]*business    // by WABA
	sourceShares map[string]*sourceShare // by name of the source
	recency      recency
	changed      []*number   // numbers to look at in Flush
	wanting      []*number   // numbers whose next chunk has to be read again
	untold       []*business // those with account events of which not all numbers were told

	schedule schedule
	ticked   time.Time // until when what was due has happened
	replays  replays
	outer    *Partition // of a replay state: the partition whose state is the live one

	contacts          *contacts.Book
	recent            *dedup.Recent
	pages             pages
	pendingBoundaries pendingBoundaries
	undated           undated
	directory         numberDirectory
	deferral          deferral

	offers []offered
	holds  bool // see Holds
	unfit  bool // the change that is processed was to leave as it is, and must not: see split.Change.Loose

	now  time.Time // the newest ReceivedAt, or the time of the last tick
	turn turnUse
	// inParts is whether the body that is processed may leave in parts.
	inParts bool

	*Workspace
	people  people.Finder
	counts  Counts
	scratch []byte
	compact []byte // see content
	effects []contacts.Effect
}

// New makes a partition that knows nothing yet.
func New(cfg Config) (*Partition, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.PartitionOf == nil {
		return nil, fmt.Errorf("partition: PartitionOf is missing")
	}
	return &Partition{
		cfg: cfg, out: func(Record) {},
		Workspace: &Workspace{},
		numbers:   map[string]*number{}, businesses: map[string]*business{}, sourceShares: map[string]*sourceShare{},
		contacts: contacts.New(), recent: dedup.NewRecent(cfg.DedupWindow, dedupBuckets),
		pages:  pages{},
		counts: newCounts(),
	}, nil
}

// Begin begins a transaction's work: it says where emitted records go, and lends memory for them. The owner
// may lend the same workspace to another partition once the transaction has ended.
func (p *Partition) Begin(out Output, w *Workspace) {
	p.out, p.Workspace = out, w
	p.counts.reset()
	if cap(p.scratch) > scratchBytesMax {
		p.scratch = nil // a giant was hashed
	}
	if cap(p.compact) > scratchBytesMax {
		p.compact = nil
	}
	p.beginReplayStates()
}

// scratchBytesMax is what is kept of the memory in which ids are put together.
const scratchBytesMax = 64 << 10

// touch marks a number as one whose state may have changed.
func (p *Partition) touch(n *number) {
	p.schedule.touched(n)
	if !n.changed {
		n.changed = true
		p.changed = append(p.changed, n)
	}
}

// Counts is what happened since Begin.
func (p *Partition) Counts() Counts { return p.counts.snapshot() }
