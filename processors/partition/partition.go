package partition

import (
	"fmt"
	"time"

	"github.com/coexstream/coexstream/processors/contacts"
	"github.com/coexstream/coexstream/processors/dedup"
	"github.com/coexstream/coexstream/processors/people"
)

// dedupBuckets divides the deduplication window into buckets that expire as a whole. So a message is remembered for
// the window and at most an eighth more.
const dedupBuckets = 8

// Partition is the state of one partition.
type Partition struct {
	cfg Config
	out Output

	numbers      map[string]*number      // by number key
	businesses   map[string]*business    // by WABA
	sourceShares map[string]*sourceShare // by name of the source
	recency      recency
	changed      []*number   // numbers that Flush has to look at
	heldQueue    []*number   // numbers whose next chunk has to be read again, in the order of NextHeld
	unapplied    []*business // those with account events that not all of their numbers have applied

	schedule schedule
	ticked   time.Time // all that was due until then has been done
	replays  replays
	outer    *Partition // of a replay state: the partition with the live state

	contacts          *contacts.Book
	recent            *dedup.Recent
	pages             pages
	pendingBoundaries pendingBoundaries
	onboardings       onboardings
	undated           undated
	directory         numberDirectory
	deferral          deferral

	offers []offered
	holds  bool // see Holds
	unfit  bool // the present change cannot leave verbatim, as it would have to: see split.Change.Loose

	now  time.Time // the newest ReceivedAt, or the time of the last tick
	turn turnUse
	// inParts reports whether the present body may leave in parts.
	inParts bool

	*Workspace
	people  people.Finder
	counts  Counts
	scratch []byte
	compact []byte // see content
	effects []contacts.Effect
}

// New makes a partition without any state.
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

// Begin begins the work of a transaction. out receives the records, and w is the memory for them. The owner may use
// the workspace for another partition after the transaction has ended.
func (p *Partition) Begin(out Output, w *Workspace) {
	p.out, p.Workspace = out, w
	p.counts.reset()
	if cap(p.scratch) > scratchBytesMax {
		p.scratch = nil // a very long text was hashed
	}
	if cap(p.compact) > scratchBytesMax {
		p.compact = nil
	}
	p.beginReplayStates()
}

// scratchBytesMax is the maximum memory for building ids that is kept between transactions.
const scratchBytesMax = 64 << 10

// touch notes that the state of a number may have changed.
func (p *Partition) touch(n *number) {
	p.schedule.touched(n)
	if !n.changed {
		n.changed = true
		p.changed = append(p.changed, n)
	}
}

// Counts returns the counters since Begin.
func (p *Partition) Counts() Counts { return p.counts.snapshot() }
