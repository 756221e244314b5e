package doctor

import (
	"io/fs"
	"time"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/schemas"
)

// Facts has the gathered facts. Only those of the requested checks are needed.
type Facts struct {
	Now time.Time

	Config    *config.Config // nil: not valid
	ConfigErr error
	Sources   []config.Source // of the configuration, or those that an up generated

	// Absent are the topics of the layout, by their full names, that are not there.
	Absent map[string]bool
	// Failed are the checks whose facts could not be gathered, and why.
	Failed map[string]error

	Secrets      []SecretFile
	Tokens       *TokenFiles // nil: there is no folder of tokens
	Certificates []Certificate
	Disks        []Disk
	Spools       []Spool
	BrokerData   *BrokerData // nil: not looked at
	Processes    []Process
	Bootstrap    []Bootstrap
	Brokers      []Broker
	Settings     map[string]string // of the brokers, by configuration name
	Topics       Topics
	Partitions   []Partition
	Group        Group
	Inputs       []Input
	States       []State
	Reading      Reading
	Transactions Transactions
	DeadLetters  DeadLetters
	Syncs        []schemas.Sync
	Newest       []Newest
}

// reached reports whether any broker answered.
func (f *Facts) reached() bool {
	for _, b := range f.Brokers {
		if b.Err == nil {
			return true
		}
	}
	return false
}

// SecretFile is a file that holds a secret.
type SecretFile struct {
	Key  string
	Path string
	Mode fs.FileMode
	Err  error
}

// TokenFiles are the files in a folder of tokens, and those with wrong modes.
type TokenFiles struct {
	Key, Path string
	Absent    bool
	Files     int
	Readable  []string // by everybody
	Writable  []string // by everybody; folders too
	Unread    []string // not readable for this user
	Err       error    // of the folder
}

// Certificate is a certificate file with its chain: the first to expire counts.
type Certificate struct {
	Key                 string
	Path                string
	NotBefore, NotAfter time.Time
	Err                 error // unreadable, no certificate, or not of its key
}

// Disk is a folder that is written to.
type Disk struct {
	Key       string
	Path      string // the folder, or the nearest one above it that is there
	Exists    bool
	FreeBytes uint64
	AllBytes  uint64
	Err       error // it cannot be written to, or not even be looked at
}

// Spool is the folder of one topic in the disk spool of this machine.
type Spool struct {
	Topic           string
	Path            string
	Bytes, BytesMax int64 // of segments and quarantine
	QuarantineBytes int64
	QuarantineFiles int
	Err             error
}

// Spooled has an ingress's metrics of its spool.
type Spooled struct {
	Records  float64
	Oldest   time.Duration
	Writable bool
}

// Waiting has a processor's metrics of deferred live webhooks, whose business is over its share.
type Waiting struct {
	Businesses, Records int
	Oldest              time.Duration
}

// Sink has a process's metrics of a sink.
type Sink struct {
	Name    string
	Blocked float64 // partitions
	Damaged float64 // batches of logs that it waits for
	Letters float64 // since the process began
	Records float64 // that it is behind, live and backlog
	Live    time.Duration
	NoRoom  bool // it writes nothing: its disk is nearly full

	Failing  bool // an endpoint of webhooks that gets probes only
	Disabled bool // one that answered 410
}

// Archive has a process's metrics of its archive.
type Archive struct {
	Blocked  float64 // partitions of topics
	Damaged  float64 // batches of logs that it waits for
	Lost     float64 // offsets, since the process began
	Waiting  float64 // offsets
	Oldest   time.Duration
	Rotation time.Duration
}

// Media has a process's metrics of the download of media assets.
type Media struct {
	Waiting float64       // assets without an outcome
	Denied  float64       // businesses without a token that the provider accepts
	Lost    float64       // offsets, since the process began
	Expiry  time.Duration // until the first waiting asset expires
}

// Process is an ingress, a processor or an `up` with an admin listener.
type Process struct {
	URL   string
	Asked bool // named by the user; else guessed from the configuration
	Err   error

	Ready   bool
	Reason  string
	Trouble []string // parts that are not ready, though the process is
	Blocked int      // partitions that a processor does not serve: their state cannot be read, or a batch is damaged
	Damaged int      // damaged batches that a processor's partitions wait for
	Waiting Waiting  // a processor's deferred webhooks
	Spooled *Spooled // nil: it has no spool, or no such metrics
	Sinks   []Sink   // by name
	Archive *Archive // nil: it archives nothing
	Media   *Media   // nil: it downloads no media

	// Largest is how many numbers the business with the most of them has, and Business a hash of its WABA.
	Largest  int
	Business string
	// OfSource is the number of phone numbers in a partition that came first from one source, of the source with the most.
	OfSource int
	Source   string

	ConfigHash string // empty: unknown
	OwnHash    string // of the configuration that the doctor was given; empty: not to be compared
	// Ahead is how far its clock is ahead of this one; HTTP has it to the second.
	Ahead time.Duration
	Timed bool
}

// Bootstrap is an address of kafka.brokers.
type Bootstrap struct {
	Address string
	Err     error
	Took    time.Duration
}

// Broker is a broker in the cluster's metadata.
type Broker struct {
	ID         int32
	Address    string
	Controller bool
	Version    string
	Missing    []string // required features that the broker does not have
	Err        error
}

// Topics is the outcome of `topics verify`.
type Topics struct {
	Compared    int
	Desk        string // name of the log of the desk
	Differences []Difference
}

// Difference is one of internal/kafka.
type Difference struct{ Topic, What, Want, Have string }

// Partition is a partition of a topic of the pipeline, or of one of the cluster's own.
type Partition struct {
	Topic             string
	ID                int32
	Leader            int32 // -1: none
	Replicas, InSync  int
	MinInSync         int // 0: not known
	Offline, Internal bool
}

// Group is the processors' consumer group.
type Group struct {
	State   string // Stable, Empty, Dead, PreparingRebalance, CompletingRebalance
	Members []Member
}

// Member is a processor.
type Member struct {
	Name       string // instance id, or member id
	Host       string
	Partitions int // of raw.live
}

// Input is how far the group is in a partition of an input.
type Input struct {
	Topic     schemas.Topic
	Partition int32
	Committed int64 // -1: never
	Start     int64
	Stable    int64     // last stable offset: as far as a read_committed consumer can read
	OldestAt  time.Time // of the oldest record that waits; zero: only control records wait, or nothing
	Waiting   bool      // a record waits
	// ID is the topic's, and ReadID that of the log of which the group committed the offset; zero: not known.
	ID, ReadID [16]byte
	// Seen is how far the log went when the group committed; 0: not known.
	Seen int64
	// Fault is a processor's recent finding about the partition.
	Fault *LogFault
}

// LogFault is a log that a processor found cut, created again or without its offset.
type LogFault struct {
	Kind     string // cut, recreated, forgotten, state_lost, state_incomplete
	Topic    string // without the prefix
	From, To int64
	Found    time.Time
}

// State is a partition of `state`.
type State struct {
	Partition  int32
	Start, End int64
	Committed  bool // the group has offsets of the partition
	ID         [16]byte
	// The group's knowledge at its commit, if the offset has a mark.
	Marked   bool
	MarkedID [16]byte
	Records  int64 // there were so many at least
	Seen     int64 // and it went to there
	Fault    *LogFault
}

// Reading is which partitions of the pipeline's topics can be read, at their starts and at their ends.
type Reading struct {
	Partitions int
	Bad        []Unreadable
}

// Unreadable is a place of a log that cannot be read.
type Unreadable struct {
	Topic     string
	Partition int32
	Offset    int64
	Err       error
}

// Transactions are the open ones, and the partitions that wait for them.
type Transactions struct {
	CoordinatorID  string // transactional id that was asked for
	CoordinatorErr error
	Open           []Transaction
	Blocked        []Blocked
}

// Transaction is an open transaction.
type Transaction struct {
	ID      string
	State   string
	Started time.Time
	Timeout time.Duration
	Topics  map[string][]int32
}

// Blocked is a partition whose readers cannot read to its end.
type Blocked struct {
	Topic       string
	Partition   int32
	Stable, End int64
	// Unknown are the producers whose transaction is open in this partition, while no coordinator knows
	// of one.
	Unknown []int64
}

// DeadLetters are those of the last hours that were not requeued, as `dlq list` shows them.
type DeadLetters struct {
	Within       time.Duration
	Open, Parked int
	Reasons      map[string]int // of both
	// Stopped is the number of records after which reading stopped; 0: all were read.
	Stopped int
}

// Newest is the newest timestamp in a raw topic's partition.
type Newest struct {
	Topic     string
	Partition int32
	At        time.Time
}
