package config

import (
	"slices"
	"strings"
	"time"
)

// Key declares one configuration key.
type Key struct {
	Name    string // as in the file, with dots for nesting
	Kind    Kind
	Default string // as one would write it
	Doc     string // one line, Markdown allowed
	Secret  bool   // never printed; may come from the file that <name>_file points to
	Own     bool   // of one instance: those of a group may differ in it

	Min, Max int64    // of numbers, in nanoseconds for durations; a Max of 0 is no limit
	Allowed  []string // of an Enum
	Pattern  string   // of a String: what it must match
	Allows   string   // the pattern in words
}

// Env is the name of the environment variable that sets the key.
func (k *Key) Env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_"))
}

// EnvPrefix begins the name of every environment variable that is read.
const EnvPrefix = "COEXSTREAM_"

// ConfigEnv names the configuration file, as --config does.
const ConfigEnv = EnvPrefix + "CONFIG"

const (
	millisecond = int64(time.Millisecond)
	second      = int64(time.Second)
	minute      = int64(time.Minute)
	hour        = int64(time.Hour)
	day         = 24 * hour
	kib         = int64(1) << 10
	mib         = int64(1) << 20
	gib         = int64(1) << 30
)

var (
	// codecs: snappy is compressed in assembly, in half to a third of the time of lz4, to about the same size.
	codecs = []string{"none", "snappy", "lz4", "zstd"}
)

var listenPattern, listenAllows = `^(.*:\d{1,5})$`, "host:port, or :port for all interfaces"

// Keys lists all keys in the order of the documentation. Secrets are followed by the key of the file
// that can hold them.
func Keys() []Key {
	all := slices.Concat(generalKeys(), kafkaKeys(), topicKeys(), ingressKeys(), processorKeys(), embeddedKeys())
	keys := make([]Key, 0, len(all)+4)
	for _, k := range all {
		keys = append(keys, k)
		if k.Secret && k.Kind == String {
			keys = append(keys, Key{Name: k.Name + "_file", Kind: String, Doc: "file that holds `" + k.Name + "`"})
		}
	}
	return keys
}

func generalKeys() []Key {
	return []Key{
		{Name: "data_dir", Own: true, Default: "data", Doc: "folder for everything that is kept on this machine; relative to the working directory", Pattern: `.`, Allows: "a path"},
		{Name: "log.level", Kind: Enum, Default: "info", Allowed: []string{"debug", "info", "warn", "error"}, Doc: "least severe level that is logged"},
		{Name: "log.format", Kind: Enum, Default: "auto", Allowed: []string{"auto", "text", "json"}, Doc: "`auto`: text on a terminal, JSON elsewhere"},
		{Name: "admin.listen", Own: true, Default: "127.0.0.1:9090", Doc: "address of `/metrics`, `/livez`, `/readyz` and `/debug/pprof`; empty: none. Beyond loopback it needs `admin.token` or `admin.tls.client_ca_file`", Pattern: `^$|` + listenPattern, Allows: listenAllows},
		{Name: "admin.hosts", Own: true, Kind: List, Doc: "names by which the admin listener may be asked, beside IP addresses, `localhost` and the name in `admin.listen`; `*`: any. A request that brings the token or a client certificate may use any name"},
		{Name: "admin.token", Secret: true, Doc: "bearer token for `/metrics`, `/debug/pprof` and the reasons of `/readyz`, at least 16 bytes"},
		{Name: "admin.tls.cert_file", Doc: "PEM file of the admin listener's certificate chain; empty: plain text"},
		{Name: "admin.tls.key_file", Doc: "PEM file of its key"},
		{Name: "admin.tls.client_ca_file", Doc: "PEM file of the authorities whose client certificates do what `admin.token` does"},
		{Name: "reload_interval", Kind: Duration, Default: "10s", Min: 100 * millisecond, Max: hour, Doc: "how often the files of certificates, keys, passwords, tokens and app secrets are looked at for changes"},
		{Name: "shutdown_timeout", Kind: Duration, Default: "30s", Min: second, Max: hour, Doc: "how long a drain may take before the process stops anyway"},
	}
}

func kafkaKeys() []Key {
	return []Key{
		{Name: "kafka.brokers", Kind: List, Doc: "bootstrap addresses; empty: the embedded broker of an `up` that runs on the same data folder, else 127.0.0.1:9092"},
		{Name: "kafka.client_id", Own: true, Default: "coexstream", Doc: "client id in requests", Pattern: `^[\w.-]{1,200}$`, Allows: "1 to 200 letters, digits, dots, dashes, underscores"},
		{Name: "kafka.prefix", Default: "coex.", Doc: "prefix of all topic names", Pattern: `^[A-Za-z0-9._-]{0,200}$`, Allows: "up to 200 letters, digits, dots, dashes, underscores"},
		{Name: "kafka.partitions", Kind: Int, Default: "12", Min: 1, Max: 1024, Doc: "partitions of every topic, set once at creation (`up`: 4)"},
		{Name: "kafka.replication_factor", Kind: Int, Default: "3", Min: 1, Max: 15, Doc: "copies of every partition (`up`: 1)"},
		{Name: "kafka.min_insync_replicas", Kind: Int, Default: "2", Min: 1, Max: 15, Doc: "copies that must have a record before it counts as written (`up`: 1)"},
		{Name: "kafka.dial_timeout", Kind: Duration, Default: "5s", Min: 100 * millisecond, Max: 5 * minute, Doc: "time to connect to a broker"},
		{Name: "kafka.request_timeout", Kind: Duration, Default: "10s", Min: 100 * millisecond, Max: 10 * minute, Doc: "time for an administrative request"},
		{Name: "kafka.tls.enabled", Kind: Bool, Default: "false", Doc: "speak TLS to the brokers"},
		{Name: "kafka.tls.ca_file", Doc: "PEM file of the authorities to trust; empty: the system's"},
		{Name: "kafka.tls.cert_file", Doc: "PEM file of the client certificate"},
		{Name: "kafka.tls.key_file", Doc: "PEM file of the client certificate's key"},
		{Name: "kafka.tls.server_name", Doc: "name to expect in the brokers' certificates; empty: the host that is dialled"},
		{Name: "kafka.sasl.mechanism", Kind: Enum, Default: "none", Allowed: []string{"none", "plain", "scram-sha-256", "scram-sha-512"}, Doc: "how to authenticate to the brokers"},
		{Name: "kafka.sasl.username", Doc: "user name"},
		{Name: "kafka.sasl.password", Secret: true, Doc: "password"},
	}
}

func topicKeys() []Key {
	retention := func(topic, def, doc string) Key {
		return Key{Name: "topics." + topic + ".retention", Kind: Duration, Default: def, Min: minute, Max: 3650 * day, Doc: doc}
	}
	return []Key{
		{Name: "topics.max_message_bytes", Kind: Bytes, Default: "20MiB", Min: 128 * kib, Max: gib, Doc: "largest record batch of any topic (`max.message.bytes`); longer bodies travel in segments, as they do where the cluster has a lower limit"},
		{Name: "topics.segment_bytes", Kind: Bytes, Default: "256MiB", Min: mib, Max: 2*gib - 1, Doc: "size at which a log segment is closed (`up`: `embedded.segment_bytes`)"},
		retention("raw", "14d", "how long `raw.live` and `raw.bulk` are kept: how far back everything can be rebuilt"),
		retention("rerouted", "1d", "how long `rerouted` is kept"),
		retention("events", "14d", "how long `history`, `media`, `echoes`, `messages`, `account` and `other` are kept"),
		retention("dlq", "30d", "how long dead letters are kept"),
		{Name: "topics.contacts.tombstone_retention", Kind: Duration, Default: "8d", Min: hour, Max: 3650 * day, Doc: "how long a consumer of `contacts` may be away and still see that a contact was removed"},
		{Name: "topics.state.tombstone_retention", Kind: Duration, Default: "1d", Min: hour, Max: 3650 * day, Doc: "the same for `state` and `syncs`"},
	}
}

func ingressKeys() []Key {
	return []Key{
		{Name: "ingress.listen", Own: true, Default: ":8080", Doc: "address of the webhook listener", Pattern: listenPattern, Allows: listenAllows},
		{Name: "ingress.tls.cert_file", Doc: "PEM file of the webhook listener's certificate chain; empty: plain text, for a proxy that ends TLS"},
		{Name: "ingress.tls.key_file", Doc: "PEM file of its key"},
		{Name: "ingress.tls.client_ca_file", Doc: "PEM file of the authorities of client certificates; who needs one is told by a source's `client_cn`"},
		{Name: "ingress.tls.min_version", Kind: Enum, Default: "1.2", Allowed: []string{"1.2", "1.3"}, Doc: "oldest version of TLS that is spoken"},
		{Name: "ingress.sources", Kind: Sources, Secret: true, Doc: "who sends webhooks, see *Sources*; `up` generates them when there are none"},
		{Name: "ingress.body_bytes_max", Kind: Bytes, Default: "4MiB", Min: 64 * kib, Max: 64 * mib, Doc: "largest body as it comes over the wire"},
		{Name: "ingress.decoded_bytes_max", Kind: Bytes, Default: "16MiB", Min: 64 * kib, Max: 256 * mib, Doc: "largest body after its content coding is undone"},
		{Name: "ingress.decoded_ratio_max", Kind: Int, Default: "200", Min: 1, Max: 100_000, Doc: "largest ratio of decoded to encoded bytes"},
		{Name: "ingress.header_bytes_max", Kind: Bytes, Default: "8KiB", Min: kib, Max: mib, Doc: "largest request line and headers"},
		{Name: "ingress.read_timeout", Kind: Duration, Default: "20s", Min: 100 * millisecond, Max: 10 * minute, Doc: "time to read a request"},
		{Name: "ingress.write_timeout", Kind: Duration, Default: "10s", Min: 100 * millisecond, Max: 10 * minute, Doc: "time to write an answer"},
		{Name: "ingress.idle_timeout", Kind: Duration, Default: "75s", Min: second, Max: hour, Doc: "how long a connection may be quiet between requests"},
		{Name: "ingress.connections_max", Kind: Int, Default: "4096", Min: 1, Max: 1 << 20, Doc: "connections at a time; beyond it those make room that are idle or slow, see SECURITY.md"},
		{Name: "ingress.connections_per_client_max", Kind: Int, Default: "512", Min: 0, Max: 1 << 20, Doc: "connections of one client address (IPv6: /64) at a time; 0: no limit of its own. A proxy in front is one client"},
		{Name: "ingress.in_flight_bytes_max", Kind: Bytes, Default: "128MiB", Min: mib, Max: 64 * gib, Doc: "bytes of bodies that are being read or wait for Kafka; beyond it the answer is 503 (`up`: 64MiB)"},
		{Name: "ingress.ack_timeout", Kind: Duration, Default: "4s", Min: 50 * millisecond, Max: minute, Doc: "time for Kafka to acknowledge a record; beyond it the answer is 503. Senders give up after 5 s"},
		{Name: "ingress.retry_after", Kind: Duration, Default: "5s", Min: second, Max: hour, Doc: "`Retry-After` of 429 and 503"},
		{Name: "ingress.drain_delay", Kind: Duration, Default: "0s", Min: 0, Max: 10 * minute, Doc: "at a stop: how long `/readyz` fails before connections are refused, for load balancers that poll it"},
		{Name: "ingress.compression.live", Kind: Enum, Default: "none", Allowed: codecs, Doc: "compression of `raw.live`"},
		{Name: "ingress.compression.bulk", Kind: Enum, Default: "snappy", Allowed: codecs, Doc: "compression of `raw.bulk`"},
		{Name: "ingress.spool.enabled", Kind: Bool, Default: "true", Doc: "keep webhooks on the local disk, and answer 200, while Kafka does not acknowledge them in time"},
		{Name: "ingress.spool.dir", Own: true, Doc: "folder of the spool, on a disk that survives the process, one for each process; empty: `spool` in `data_dir`"},
		{Name: "ingress.spool.after", Kind: Duration, Default: "250ms", Min: 10 * millisecond, Max: minute, Doc: "how long Kafka has to acknowledge a record before it goes to the spool"},
		{Name: "ingress.spool.bytes_max", Kind: Bytes, Default: "4GiB", Min: mib, Max: 1 << 50, Doc: "most bytes of the spool, a quarter for `raw.live`, the rest for `raw.bulk`; at least four segments. Beyond it the answer is 503"},
		{Name: "ingress.spool.age_max", Kind: Duration, Default: "12h", Min: second, Max: 30 * day, Doc: "age of the oldest record at which the spool takes no more; keep it well below `processor.dedup_window`"},
		{Name: "ingress.spool.segment_bytes", Kind: Bytes, Default: "16MiB", Min: 64 * kib, Max: gib, Doc: "size at which a file of the spool is closed"},
		{Name: "ingress.spool.fsync", Kind: Bool, Default: "true", Doc: "fsync before the answer; `false` survives a kill -9 only"},
		{Name: "ingress.spool.drain.bytes_per_second", Kind: Bytes, Default: "16MiB", Min: kib, Max: 1 << 50, Doc: "by how much the spool of a topic gets emptier when Kafka is back"},
		{Name: "ingress.spool.drain.records_per_second", Kind: Int, Default: "2000", Min: 1, Max: 100_000_000, Doc: "the same in records; the smaller of the two counts"},
	}
}

func processorKeys() []Key {
	return []Key{
		{Name: "processor.group_id", Default: "coexstream", Doc: "consumer group", Pattern: `^[\w.-]{1,200}$`, Allows: "1 to 200 letters, digits, dots, dashes, underscores"},
		{Name: "processor.instance_id", Own: true, Doc: "stable name of this instance among those of the group, the root of its transactional id; empty: the host's name", Pattern: `^[\w.-]{0,200}$`, Allows: "up to 200 letters, digits, dots, dashes, underscores"},
		{Name: "processor.transaction_timeout", Kind: Duration, Default: "1m", Min: second, Max: 15 * minute, Doc: "age at which the broker aborts a transaction"},
		{Name: "processor.session_timeout", Kind: Duration, Default: "30s", Min: 6 * second, Max: 5 * minute, Doc: "silence after which the group gives an instance's partitions to others"},
		{Name: "processor.rebalance_timeout", Kind: Duration, Default: "2m", Min: 6 * second, Max: hour, Doc: "time for an instance to hand its partitions over"},
		{Name: "processor.bulk_bytes_max", Kind: Bytes, Default: "4MiB", Min: 64 * kib, Max: gib, Doc: "bulk work in one transaction, where no live messages come; where they do, it is bounded by time"},
		{Name: "processor.held_bytes_max", Kind: Bytes, Default: "32MiB", Min: 0, Max: gib, Doc: "history whose chunks wait for an earlier one and that is kept in memory, packed, up to this; the rest is read again; 0: all of it is (`up`: 0)"},
		{Name: "processor.live_body_bytes_max", Kind: Bytes, Default: "64KiB", Min: 1 << 10, Max: gib, Doc: "A live webhook with a longer body is processed in parts, beside those of other businesses."},
		{Name: "processor.business_bytes_max", Kind: Bytes, Default: "256KiB", Min: 1 << 10, Max: gib, Doc: "Maximum bytes of one business's live webhooks in a transaction while other businesses have live traffic. The rest waits its turn."},
		{Name: "processor.deferred_records_max", Kind: Int, Default: "100000", Min: 1, Max: 10_000_000, Doc: "Maximum live webhooks of a partition that wait their turn. Beyond it they are processed without waiting."},
		{Name: "processor.body_bytes_max", Kind: Bytes, Default: "16MiB", Min: 64 * kib, Max: gib, Doc: "largest decoded body; a longer one goes to `dlq`"},
		{Name: "processor.event_bytes_max", Kind: Bytes, Default: "1MiB", Min: 16 * kib, Max: 64 * mib, Doc: "largest event; a longer one goes to `dlq`"},
		{Name: "processor.compression", Kind: Enum, Default: "snappy", Allowed: codecs, Doc: "compression of the event topics"},
		{Name: "processor.depth_max", Kind: Int, Default: "128", Min: 16, Max: 10_000, Doc: "deepest nesting of a body; a part that is deeper goes to `dlq`"},
		{Name: "processor.dedup_window", Kind: Duration, Default: "24h", Min: minute, Max: 30 * day, Doc: "how long a repeated webhook is known again"},
		{Name: "processor.replay_timeout", Kind: Duration, Default: "1h", Min: minute, Max: 30 * day, Doc: "silence after which a replay that did not end is given up; until then its records tell the time of their partitions"},
		{Name: "processor.unknown_state", Kind: Enum, Default: "block", Allowed: []string{"block", "set_aside"}, Doc: "what becomes of a partition whose state has a record that cannot be read: `block` leaves the partition waiting, `set_aside` goes on without the record"},
		{Name: "processor.media.hold", Kind: Duration, Default: "1h", Min: 0, Max: 7 * day, Doc: "how long a media follow-up waits for its placeholder"},
		{Name: "processor.history.gap_timeout", Kind: Duration, Default: "30m", Min: second, Max: 7 * day, Doc: "how long a missing chunk is waited for"},
		{Name: "processor.history.phase_hold", Kind: Duration, Default: "2m", Min: millisecond, Max: 7 * day, Doc: "how long a phase waits for an earlier one that is not known to be finished"},
		{Name: "processor.history.quiet_time", Kind: Duration, Default: "6h", Min: minute, Max: 30 * day, Doc: "silence after which a sync counts as done"},
		{Name: "processor.history.ceiling", Kind: Duration, Default: "7d", Min: hour, Max: 60 * day, Doc: "age at which a sync counts as done"},
	}
}

func embeddedKeys() []Key {
	return []Key{
		{Name: "embedded.listen", Own: true, Default: "127.0.0.1:9092", Doc: "address of the broker inside `up`; port 0 is any free one. When the port is taken another one is used unless the key was set. Beyond loopback clients have to authenticate", Pattern: listenPattern, Allows: listenAllows},
		{Name: "embedded.advertise", Own: true, Doc: "address host:port that clients of the embedded broker are told; needed where it listens on all interfaces. Empty: the one that it listens on"},
		{Name: "embedded.authentication", Kind: Enum, Default: AuthenticationAuto, Allowed: []string{AuthenticationAuto, AuthenticationAlways}, Doc: "whether clients of the embedded broker have to authenticate, by SCRAM with the password in `DATA_DIR/broker.password`. `auto`: where it listens beyond loopback. On loopback without it every user of this machine can read and write all topics"},
		{Name: "embedded.sync_writes", Kind: Bool, Default: "true", Doc: "fsync every write before it counts: survives a power cut; `false` survives a kill -9 only, and is faster"},
		{Name: "embedded.segment_bytes", Kind: Bytes, Default: "8MiB", Min: mib, Max: gib, Doc: "size of the broker's log segments: a start reads them whole, so they bound its memory"},
		{Name: "embedded.memory_limit", Kind: Bytes, Default: "256MiB", Min: 0, Max: 1 << 50, Doc: "soft limit of the heap of `up`, unless GOMEMLIMIT is set; 0: none"},
	}
}

// Default is a layer of defaults for one role, put over the keys' own.
type Default map[string]string

// UpDefaults are the defaults of `up`: one broker, few partitions.
func UpDefaults() Default {
	return Default{"kafka.partitions": "4", "kafka.replication_factor": "1", "kafka.min_insync_replicas": "1", "ingress.in_flight_bytes_max": "64MiB", "processor.held_bytes_max": "0"}
}
