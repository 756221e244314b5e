package config

import (
	"time"

	"github.com/knadh/koanf/v2"

	"github.com/coexstream/coexstream/internal/listen"
)

// Config is the effective configuration. Every exported field belongs to one key.
type Config struct {
	DataDir         string        `koanf:"data_dir"`
	ShutdownTimeout time.Duration `koanf:"shutdown_timeout"`
	ReloadInterval  time.Duration `koanf:"reload_interval"`
	Log             Log           `koanf:"log"`
	Admin           Admin         `koanf:"admin"`
	Kafka           Kafka         `koanf:"kafka"`
	Topics          Topics        `koanf:"topics"`
	Ingress         Ingress       `koanf:"ingress"`
	Processor       Processor     `koanf:"processor"`
	Embedded        Embedded      `koanf:"embedded"`

	values   *koanf.Koanf
	origins  map[string]string
	warnings []string
}

// Log is what is logged, and how.
type Log struct {
	Level  string `koanf:"level"`
	Format string `koanf:"format"`
}

// Admin is the operators' listener.
type Admin struct {
	Listen    string    `koanf:"listen"`
	Hosts     []string  `koanf:"hosts"`
	Token     string    `koanf:"token"`
	TokenFile string    `koanf:"token_file"`
	TLS       ServerTLS `koanf:"tls"`
}

// ServerTLS is the transport security of a listener.
type ServerTLS struct {
	CertFile     string `koanf:"cert_file"`
	KeyFile      string `koanf:"key_file"`
	ClientCAFile string `koanf:"client_ca_file"`
}

// IngressTLS is the transport security of the webhook listener.
type IngressTLS struct {
	CertFile     string `koanf:"cert_file"`
	KeyFile      string `koanf:"key_file"`
	ClientCAFile string `koanf:"client_ca_file"`
	MinVersion   string `koanf:"min_version"`
}

// Kafka is how to reach the brokers and what the topics have in common.
type Kafka struct {
	Brokers           []string      `koanf:"brokers"`
	ClientID          string        `koanf:"client_id"`
	Prefix            string        `koanf:"prefix"`
	Partitions        int           `koanf:"partitions"`
	ReplicationFactor int           `koanf:"replication_factor"`
	MinInsyncReplicas int           `koanf:"min_insync_replicas"`
	DialTimeout       time.Duration `koanf:"dial_timeout"`
	RequestTimeout    time.Duration `koanf:"request_timeout"`
	TLS               TLS           `koanf:"tls"`
	SASL              SASL          `koanf:"sasl"`
}

// TLS is the transport security towards the brokers.
type TLS struct {
	Enabled    bool   `koanf:"enabled"`
	CAFile     string `koanf:"ca_file"`
	CertFile   string `koanf:"cert_file"`
	KeyFile    string `koanf:"key_file"`
	ServerName string `koanf:"server_name"`
}

// SASL is the authentication towards the brokers.
type SASL struct {
	Mechanism    string `koanf:"mechanism"`
	Username     string `koanf:"username"`
	Password     string `koanf:"password"`
	PasswordFile string `koanf:"password_file"`
}

// Topics is how long, and in which portions, the topics are kept.
type Topics struct {
	MaxMessageBytes int64     `koanf:"max_message_bytes"`
	SegmentBytes    int64     `koanf:"segment_bytes"`
	Raw             Kept      `koanf:"raw"`
	Rerouted        Kept      `koanf:"rerouted"`
	Events          Kept      `koanf:"events"`
	DLQ             Kept      `koanf:"dlq"`
	Contacts        Compacted `koanf:"contacts"`
	State           Compacted `koanf:"state"`
}

// Kept is a topic that retention cuts.
type Kept struct {
	Retention time.Duration `koanf:"retention"`
}

// Compacted is a topic that keeps the newest record of each key.
type Compacted struct {
	TombstoneRetention time.Duration `koanf:"tombstone_retention"`
}

// Ingress is the HTTP edge.
type Ingress struct {
	Listen           string        `koanf:"listen"`
	TLS              IngressTLS    `koanf:"tls"`
	Sources          []Source      `koanf:"sources"`
	BodyBytesMax     int64         `koanf:"body_bytes_max"`
	DecodedBytesMax  int64         `koanf:"decoded_bytes_max"`
	DecodedRatioMax  int           `koanf:"decoded_ratio_max"`
	HeaderBytesMax   int64         `koanf:"header_bytes_max"`
	ReadTimeout      time.Duration `koanf:"read_timeout"`
	WriteTimeout     time.Duration `koanf:"write_timeout"`
	IdleTimeout      time.Duration `koanf:"idle_timeout"`
	ConnectionsMax   int           `koanf:"connections_max"`
	PerClientMax     int           `koanf:"connections_per_client_max"`
	InFlightBytesMax int64         `koanf:"in_flight_bytes_max"`
	AckTimeout       time.Duration `koanf:"ack_timeout"`
	RetryAfter       time.Duration `koanf:"retry_after"`
	DrainDelay       time.Duration `koanf:"drain_delay"`
	Compression      Compression   `koanf:"compression"`
	Spool            Spool         `koanf:"spool"`
}

// Spool is what the ingress keeps on the local disk while Kafka does not take it.
type Spool struct {
	Enabled      bool          `koanf:"enabled"`
	Dir          string        `koanf:"dir"`
	After        time.Duration `koanf:"after"`
	BytesMax     int64         `koanf:"bytes_max"`
	AgeMax       time.Duration `koanf:"age_max"`
	SegmentBytes int64         `koanf:"segment_bytes"`
	Fsync        bool          `koanf:"fsync"`
	Drain        SpoolDrain    `koanf:"drain"`
}

// SpoolDrain is how fast the spool is handed over.
type SpoolDrain struct {
	BytesPerSecond   int64 `koanf:"bytes_per_second"`
	RecordsPerSecond int   `koanf:"records_per_second"`
}

// Compression is the codec of each lane.
type Compression struct {
	Live string `koanf:"live"`
	Bulk string `koanf:"bulk"`
}

// Processor is the runtime that turns raw records into events.
type Processor struct {
	GroupID            string        `koanf:"group_id"`
	InstanceID         string        `koanf:"instance_id"`
	TransactionTimeout time.Duration `koanf:"transaction_timeout"`
	SessionTimeout     time.Duration `koanf:"session_timeout"`
	RebalanceTimeout   time.Duration `koanf:"rebalance_timeout"`
	BulkBytesMax       int64         `koanf:"bulk_bytes_max"`
	HeldBytesMax       int64         `koanf:"held_bytes_max"`
	LiveBodyBytesMax   int64         `koanf:"live_body_bytes_max"`
	BusinessBytesMax   int64         `koanf:"business_bytes_max"`
	DeferredRecordsMax int           `koanf:"deferred_records_max"`
	BodyBytesMax       int64         `koanf:"body_bytes_max"`
	EventBytesMax      int64         `koanf:"event_bytes_max"`
	Compression        string        `koanf:"compression"`
	DepthMax           int           `koanf:"depth_max"`
	DedupWindow        time.Duration `koanf:"dedup_window"`
	ReplayTimeout      time.Duration `koanf:"replay_timeout"`
	UnknownState       string        `koanf:"unknown_state"`
	Media              Media         `koanf:"media"`
	History            History       `koanf:"history"`
}

// Media is how media follow-ups meet their placeholders.
type Media struct {
	Hold time.Duration `koanf:"hold"`
}

// History is how long the resequencer waits.
type History struct {
	GapTimeout time.Duration `koanf:"gap_timeout"`
	PhaseHold  time.Duration `koanf:"phase_hold"`
	QuietTime  time.Duration `koanf:"quiet_time"`
	Ceiling    time.Duration `koanf:"ceiling"`
}

// Embedded is the broker inside `up`.
type Embedded struct {
	Listen         string `koanf:"listen"`
	Advertise      string `koanf:"advertise"`
	Authentication string `koanf:"authentication"`
	SyncWrites     bool   `koanf:"sync_writes"`
	SegmentBytes   int64  `koanf:"segment_bytes"`
	MemoryLimit    int64  `koanf:"memory_limit"`
}

// Authenticates tells whether the broker asks its clients who they are.
func (e *Embedded) Authenticates() bool {
	return e.Authentication == AuthenticationAlways || !listen.Loopback(e.Listen)
}

// The values of embedded.authentication.
const (
	AuthenticationAuto   = "auto"
	AuthenticationAlways = "always"
)

// Warnings are what looks wrong and is no error.
func (c *Config) Warnings() []string { return c.warnings }

// IsSet tells whether anything but a default gave the key its value.
func (c *Config) IsSet(key string) bool { return c.origins[key] != "" }

// Origin tells where the key's value came from: empty for the default, else a file, a variable or a flag.
func (c *Config) Origin(key string) string { return c.origins[key] }
