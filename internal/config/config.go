package config

import (
	"time"

	"github.com/coexstream/coexstream/internal/listen"
)

// Config is the effective configuration. Every exported field belongs to one key, which its tag names; Keys declares the
// key's kind, default, bounds and meaning.
type Config struct {
	DataDir         string        `key:"data_dir"`
	ShutdownTimeout time.Duration `key:"shutdown_timeout"`
	ReloadInterval  time.Duration `key:"reload_interval"`
	Log             Log           `key:"log"`
	Admin           Admin         `key:"admin"`
	Kafka           Kafka         `key:"kafka"`
	Topics          Topics        `key:"topics"`
	Ingress         Ingress       `key:"ingress"`
	Processor       Processor     `key:"processor"`
	Embedded        Embedded      `key:"embedded"`
	Sink            Sink          `key:"sink"`
	Desk            Desk          `key:"desk"`

	values   map[string]any // of each key but ingress.sources
	origins  map[string]string
	warnings []string
	unread   map[string]bool // keys whose file was not read: it cannot be, which is a problem of its own, or another role has it
}

// Log configures the log.
type Log struct {
	Level  string `key:"level"`
	Format string `key:"format"`
}

// Admin is the operators' listener.
type Admin struct {
	Listen         string    `key:"listen"`
	ConnectionsMax int       `key:"connections_max"`
	Hosts          []string  `key:"hosts"`
	Token          string    `key:"token"`
	TokenFile      string    `key:"token_file"`
	TLS            ServerTLS `key:"tls"`
}

// ServerTLS is the transport security of a listener.
type ServerTLS struct {
	CertFile     string `key:"cert_file"`
	KeyFile      string `key:"key_file"`
	ClientCAFile string `key:"client_ca_file"`
}

// IngressTLS is the transport security of the webhook listener.
type IngressTLS struct {
	CertFile     string `key:"cert_file"`
	KeyFile      string `key:"key_file"`
	ClientCAFile string `key:"client_ca_file"`
	MinVersion   string `key:"min_version"`
}

// Kafka configures the connections to the brokers and the settings of all topics.
type Kafka struct {
	Brokers           []string      `key:"brokers"`
	ClientID          string        `key:"client_id"`
	Prefix            string        `key:"prefix"`
	Partitions        int           `key:"partitions"`
	ReplicationFactor int           `key:"replication_factor"`
	MinInsyncReplicas int           `key:"min_insync_replicas"`
	DialTimeout       time.Duration `key:"dial_timeout"`
	RequestTimeout    time.Duration `key:"request_timeout"`
	TLS               TLS           `key:"tls"`
	SASL              SASL          `key:"sasl"`
}

// TLS is the transport security towards the brokers.
type TLS struct {
	Enabled    bool   `key:"enabled"`
	CAFile     string `key:"ca_file"`
	CertFile   string `key:"cert_file"`
	KeyFile    string `key:"key_file"`
	ServerName string `key:"server_name"`
}

// SASL is the authentication towards the brokers.
type SASL struct {
	Mechanism    string `key:"mechanism"`
	Username     string `key:"username"`
	Password     string `key:"password"`
	PasswordFile string `key:"password_file"`
}

// Topics is how long, and in which portions, the topics are kept.
type Topics struct {
	MaxMessageBytes int64     `key:"max_message_bytes"`
	SegmentBytes    int64     `key:"segment_bytes"`
	Raw             Kept      `key:"raw"`
	Rerouted        Kept      `key:"rerouted"`
	Events          Kept      `key:"events"`
	DLQ             Kept      `key:"dlq"`
	Contacts        Compacted `key:"contacts"`
	State           Compacted `key:"state"`
}

// Kept is a topic that retention cuts.
type Kept struct {
	Retention time.Duration `key:"retention"`
}

// Compacted is a topic that keeps the newest record of each key.
type Compacted struct {
	TombstoneRetention time.Duration `key:"tombstone_retention"`
}

// Ingress is the HTTP edge.
type Ingress struct {
	Listen           string        `key:"listen"`
	TLS              IngressTLS    `key:"tls"`
	Sources          []Source      `key:"sources"`
	BodyBytesMax     int64         `key:"body_bytes_max"`
	DecodedBytesMax  int64         `key:"decoded_bytes_max"`
	DecodedRatioMax  int           `key:"decoded_ratio_max"`
	HeaderBytesMax   int64         `key:"header_bytes_max"`
	ReadTimeout      time.Duration `key:"read_timeout"`
	WriteTimeout     time.Duration `key:"write_timeout"`
	IdleTimeout      time.Duration `key:"idle_timeout"`
	ConnectionsMax   int           `key:"connections_max"`
	PerClientMax     int           `key:"connections_per_client_max"`
	InFlightBytesMax int64         `key:"in_flight_bytes_max"`
	AckTimeout       time.Duration `key:"ack_timeout"`
	RetryAfter       time.Duration `key:"retry_after"`
	DrainDelay       time.Duration `key:"drain_delay"`
	Compression      Compression   `key:"compression"`
	Spool            Spool         `key:"spool"`
}

// Spool configures the disk spool of the ingress.
type Spool struct {
	Enabled      bool          `key:"enabled"`
	Dir          string        `key:"dir"`
	After        time.Duration `key:"after"`
	BytesMax     int64         `key:"bytes_max"`
	AgeMax       time.Duration `key:"age_max"`
	SegmentBytes int64         `key:"segment_bytes"`
	Fsync        bool          `key:"fsync"`
	Drain        SpoolDrain    `key:"drain"`
}

// SpoolDrain is how fast the spool is handed over.
type SpoolDrain struct {
	BytesPerSecond   int64 `key:"bytes_per_second"`
	RecordsPerSecond int   `key:"records_per_second"`
}

// Compression is the codec of each lane.
type Compression struct {
	Live string `key:"live"`
	Bulk string `key:"bulk"`
}

// Processor is the runtime that turns raw records into events.
type Processor struct {
	GroupID            string        `key:"group_id"`
	InstanceID         string        `key:"instance_id"`
	TransactionTimeout time.Duration `key:"transaction_timeout"`
	SessionTimeout     time.Duration `key:"session_timeout"`
	RebalanceTimeout   time.Duration `key:"rebalance_timeout"`
	BulkBytesMax       int64         `key:"bulk_bytes_max"`
	HeldBytesMax       int64         `key:"held_bytes_max"`
	LiveBodyBytesMax   int64         `key:"live_body_bytes_max"`
	BusinessBytesMax   int64         `key:"business_bytes_max"`
	DeferredRecordsMax int           `key:"deferred_records_max"`
	BodyBytesMax       int64         `key:"body_bytes_max"`
	EventBytesMax      int64         `key:"event_bytes_max"`
	Compression        string        `key:"compression"`
	DepthMax           int           `key:"depth_max"`
	DedupWindow        time.Duration `key:"dedup_window"`
	ReplayTimeout      time.Duration `key:"replay_timeout"`
	UnknownState       string        `key:"unknown_state"`
	Media              Media         `key:"media"`
	History            History       `key:"history"`
}

// Media is how media follow-ups meet their placeholders.
type Media struct {
	Hold time.Duration `key:"hold"`
}

// History is how long the resequencer waits.
type History struct {
	GapTimeout   time.Duration `key:"gap_timeout"`
	PhaseHold    time.Duration `key:"phase_hold"`
	QuietTime    time.Duration `key:"quiet_time"`
	SilentAfter  time.Duration `key:"silent_after"`
	StalledAfter time.Duration `key:"stalled_after"`
	DeadlineNear time.Duration `key:"deadline_near"`
	Ceiling      time.Duration `key:"ceiling"`
}

// Embedded is the broker inside `up`.
type Embedded struct {
	Listen         string `key:"listen"`
	Advertise      string `key:"advertise"`
	Authentication string `key:"authentication"`
	ConnectionsMax int    `key:"connections_max"`
	SyncWrites     bool   `key:"sync_writes"`
	SegmentBytes   int64  `key:"segment_bytes"`
	MemoryLimit    int64  `key:"memory_limit"`
}

// Sink configures the sinks.
type Sink struct {
	SQLite   SQLite   `key:"sqlite"`
	Postgres Postgres `key:"postgres"`
	Webhook  Webhook  `key:"webhook"`
	Archive  Archive  `key:"archive"`
	Media    Assets   `key:"media"`
}

// SQLite is the read model of `up`.
type SQLite struct {
	Enabled    bool   `key:"enabled"`
	File       string `key:"file"`
	RecordsMax int    `key:"records_max"`

	Retention    time.Duration `key:"retention"`
	FreeBytesMin int64         `key:"free_bytes_min"`
}

// Postgres are the tables in PostgreSQL.
type Postgres struct {
	URL            string        `key:"url"`
	URLFile        string        `key:"url_file"`
	Schema         string        `key:"schema"`
	GroupID        string        `key:"group_id"`
	SessionTimeout time.Duration `key:"session_timeout"`
	RecordsMax     int           `key:"records_max"`
	ConnectionsMax int           `key:"connections_max"`
	Timeout        time.Duration `key:"timeout"`
}

// Webhook are the endpoints that get events by HTTP.
type Webhook struct {
	EndpointsFile  string        `key:"endpoints_file"`
	GroupID        string        `key:"group_id"`
	SessionTimeout time.Duration `key:"session_timeout"`
	InFlightMax    int           `key:"in_flight_max"`
}

// Archive is the archive in a folder or a bucket.
type Archive struct {
	Enabled        bool          `key:"enabled"`
	URL            string        `key:"url"`
	Topics         []string      `key:"topics"`
	Parquet        []string      `key:"parquet"`
	Rotation       time.Duration `key:"rotation"`
	ObjectBytesMax int64         `key:"object_bytes_max"`
	Snapshots      time.Duration `key:"snapshots"`
	GroupID        string        `key:"group_id"`
	SessionTimeout time.Duration `key:"session_timeout"`
	Timeout        time.Duration `key:"timeout"`
}

// Assets is the download of media assets.
type Assets struct {
	Enabled           bool          `key:"enabled"`
	URL               string        `key:"url"`
	Dir               string        `key:"dir"`
	Hosts             []string      `key:"hosts"`
	Life              time.Duration `key:"life"`
	InFlightMax       int           `key:"in_flight_max"`
	RequestsPerSecond int           `key:"requests_per_second"`
	AssetBytesMax     int64         `key:"asset_bytes_max"`
	PartsBytesMax     int64         `key:"parts_bytes_max"`
	TotalBytesMax     int64         `key:"total_bytes_max"`
	Types             []string      `key:"types"`
	AttemptTimeout    time.Duration `key:"attempt_timeout"`
	GroupID           string        `key:"group_id"`
	SessionTimeout    time.Duration `key:"session_timeout"`

	LinkKey     string `key:"link_key"`
	LinkKeyFile string `key:"link_key_file"`
	LinkURL     string `key:"link_url"`
	LinkListen  string `key:"link_listen"`
}

// Desk requests syncs.
type Desk struct {
	Enabled         bool          `key:"enabled"`
	TokensDir       string        `key:"tokens_dir"`
	TokenCommand    []string      `key:"token_command"`
	Addresses       []string      `key:"addresses"`
	Timeout         time.Duration `key:"timeout"`
	UnknownAfter    time.Duration `key:"unknown_after"`
	AppID           string        `key:"app_id"`
	AppToken        string        `key:"app_token"`
	AppTokenFile    string        `key:"app_token_file"`
	PublicURL       string        `key:"public_url"`
	AccessFile      string        `key:"access_file"`
	URL             string        `key:"url"`
	ClientToken     string        `key:"client_token"`
	ClientTokenFile string        `key:"client_token_file"`
}

// Authenticates reports whether the broker's clients must authenticate.
func (e *Embedded) Authenticates() bool {
	return e.Authentication == AuthenticationAlways || !listen.Loopback(e.Listen)
}

// The values of embedded.authentication.
const (
	AuthenticationAuto   = "auto"
	AuthenticationAlways = "always"
)

// Warnings returns doubtful settings that are no errors.
func (c *Config) Warnings() []string { return c.warnings }

// Unread reports whether the file of a secret was not read, because it belongs to another role or cannot be read.
func (c *Config) Unread(key string) bool { return c.unread[key] }

// IsSet reports whether the key's value is not a default.
func (c *Config) IsSet(key string) bool { return c.origins[key] != "" }

// Origin returns the origin of the key's value: a file, a variable or a flag; empty: the default.
func (c *Config) Origin(key string) string { return c.origins[key] }
