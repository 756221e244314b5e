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
	all := slices.Concat(generalKeys(), kafkaKeys(), topicKeys(), ingressKeys(), processorKeys(), embeddedKeys(), sinkKeys(), deskKeys())
	keys := make([]Key, 0, len(all)+4)
	for _, k := range all {
		keys = append(keys, k)
		if k.Secret && k.Kind == String {
			keys = append(keys, Key{Name: k.Name + "_file", Kind: String, Doc: "File with `" + k.Name + "`."})
		}
	}
	return keys
}

func generalKeys() []Key {
	return []Key{
		{Name: "data_dir", Own: true, Default: "data", Doc: "Folder for everything that is kept on this machine. A relative path starts at the working directory.", Pattern: `.`, Allows: "a path"},
		{Name: "log.level", Kind: Enum, Default: "info", Allowed: []string{"debug", "info", "warn", "error"}, Doc: "Lowest level that is logged."},
		{Name: "log.format", Kind: Enum, Default: "auto", Allowed: []string{"auto", "text", "json"}, Doc: "`auto` logs text on a terminal and JSON elsewhere."},
		{Name: "admin.listen", Own: true, Default: "127.0.0.1:9090", Doc: "Address of `/metrics`, `/livez`, `/readyz` and `/debug/pprof`. Empty: no admin listener. An address beyond loopback needs `admin.token` or `admin.tls.client_ca_file`.", Pattern: `^$|` + listenPattern, Allows: listenAllows},
		{Name: "admin.connections_max", Kind: Int, Default: "128", Min: 8, Max: 1 << 16, Doc: "Maximum number of open connections of the admin listener. At the limit, the connection that has waited longest is closed. Headers have 5 s, responses 10 s (profiles 75 s), and idle connections 2 minutes."},
		{Name: "admin.hosts", Own: true, Kind: List, Doc: "Host names that the admin listener accepts, beside IP addresses, `localhost` and the name in `admin.listen`. `*` accepts any name. A request with the token or a client certificate may use any name."},
		{Name: "admin.token", Secret: true, Doc: "Bearer token for `/metrics`, `/debug/pprof` and the reasons of `/readyz`. It has at least 16 bytes."},
		{Name: "admin.tls.cert_file", Doc: "PEM file of the admin listener's certificate chain. Empty: plain text."},
		{Name: "admin.tls.key_file", Doc: "PEM file of the admin listener's key."},
		{Name: "admin.tls.client_ca_file", Doc: "PEM file of certificate authorities. A client certificate that they signed gives the same access as `admin.token`."},
		{Name: "reload_interval", Kind: Duration, Default: "10s", Min: 100 * millisecond, Max: hour, Doc: "Time between two checks for changed files of certificates, keys, passwords, tokens and app secrets."},
		{Name: "shutdown_timeout", Kind: Duration, Default: "30s", Min: second, Max: hour, Doc: "Maximum time for a drain. The process stops when it is over."},
	}
}

func kafkaKeys() []Key {
	return []Key{
		{Name: "kafka.brokers", Kind: List, Doc: "Bootstrap addresses. Empty: the embedded broker of an `up` that runs on the same data folder, otherwise 127.0.0.1:9092."},
		{Name: "kafka.client_id", Own: true, Default: "coexstream", Doc: "Client id in requests.", Pattern: `^[\w.-]{1,200}$`, Allows: "1 to 200 letters, digits, dots, dashes, underscores"},
		{Name: "kafka.prefix", Default: "coex.", Doc: "Prefix of all topic names.", Pattern: `^[A-Za-z0-9._-]{0,200}$`, Allows: "up to 200 letters, digits, dots, dashes, underscores"},
		{Name: "kafka.partitions", Kind: Int, Default: "12", Min: 1, Max: 1024, Doc: "Number of partitions of every topic. It is set once, when the topics are created (`up`: 4)."},
		{Name: "kafka.replication_factor", Kind: Int, Default: "3", Min: 1, Max: 15, Doc: "Number of replicas of every partition (`up`: 1)."},
		{Name: "kafka.min_insync_replicas", Kind: Int, Default: "2", Min: 1, Max: 15, Doc: "Number of replicas that must have a record before Kafka acknowledges it (`up`: 1)."},
		{Name: "kafka.dial_timeout", Kind: Duration, Default: "5s", Min: 100 * millisecond, Max: 5 * minute, Doc: "Maximum time to connect to a broker."},
		{Name: "kafka.request_timeout", Kind: Duration, Default: "10s", Min: 100 * millisecond, Max: 10 * minute, Doc: "Maximum time for an administrative request."},
		{Name: "kafka.tls.enabled", Kind: Bool, Default: "false", Doc: "Use TLS to the brokers."},
		{Name: "kafka.tls.ca_file", Doc: "PEM file of the trusted certificate authorities. Empty: those of the system."},
		{Name: "kafka.tls.cert_file", Doc: "PEM file of the client certificate."},
		{Name: "kafka.tls.key_file", Doc: "PEM file of the client certificate's key."},
		{Name: "kafka.tls.server_name", Doc: "Name that the brokers' certificates must have. Empty: the host of the broker's address."},
		{Name: "kafka.sasl.mechanism", Kind: Enum, Default: "none", Allowed: []string{"none", "plain", "scram-sha-256", "scram-sha-512"}, Doc: "SASL mechanism for the brokers."},
		{Name: "kafka.sasl.username", Doc: "SASL user name."},
		{Name: "kafka.sasl.password", Secret: true, Doc: "SASL password."},
	}
}

func topicKeys() []Key {
	retention := func(topic, def, doc string) Key {
		return Key{Name: "topics." + topic + ".retention", Kind: Duration, Default: def, Min: minute, Max: 3650 * day, Doc: doc}
	}
	return []Key{
		{Name: "topics.max_message_bytes", Kind: Bytes, Default: "20MiB", Min: 128 * kib, Max: gib, Doc: "Maximum size of a record batch of any topic (`max.message.bytes`). Longer bodies are written in segments. The same happens where the cluster has a lower limit."},
		{Name: "topics.segment_bytes", Kind: Bytes, Default: "256MiB", Min: mib, Max: 2*gib - 1, Doc: "Maximum size of a log segment (`up`: `embedded.segment_bytes`)."},
		retention("raw", "14d", "Retention of `raw.live` and `raw.bulk`. Events can be rebuilt for as long."),
		retention("rerouted", "1d", "Retention of `rerouted`."),
		retention("events", "14d", "Retention of `history`, `media`, `echoes`, `messages`, `account` and `other`."),
		retention("dlq", "30d", "Retention of dead letters."),
		{Name: "topics.contacts.tombstone_retention", Kind: Duration, Default: "8d", Min: hour, Max: 3650 * day, Doc: "Minimum time for which tombstones of `contacts` are kept. A consumer that stops for longer can miss removed contacts."},
		{Name: "topics.state.tombstone_retention", Kind: Duration, Default: "1d", Min: hour, Max: 3650 * day, Doc: "Minimum time for which tombstones of `state` and `syncs` are kept."},
	}
}

func ingressKeys() []Key {
	return []Key{
		{Name: "ingress.listen", Own: true, Default: ":8080", Doc: "Address of the webhook listener.", Pattern: listenPattern, Allows: listenAllows},
		{Name: "ingress.tls.cert_file", Doc: "PEM file of the webhook listener's certificate chain. Empty: plain text, for a proxy that terminates TLS."},
		{Name: "ingress.tls.key_file", Doc: "PEM file of the webhook listener's key."},
		{Name: "ingress.tls.client_ca_file", Doc: "PEM file of the certificate authorities for client certificates. `client_cn` of a source requires such a certificate."},
		{Name: "ingress.tls.min_version", Kind: Enum, Default: "1.2", Allowed: []string{"1.2", "1.3"}, Doc: "Minimum version of TLS."},
		{Name: "ingress.sources", Kind: Sources, Secret: true, Doc: "Senders of webhooks, see *Sources*. `up` generates them if there are none."},
		{Name: "ingress.body_bytes_max", Kind: Bytes, Default: "4MiB", Min: 64 * kib, Max: 64 * mib, Doc: "Maximum size of a body on the wire."},
		{Name: "ingress.decoded_bytes_max", Kind: Bytes, Default: "16MiB", Min: 64 * kib, Max: 256 * mib, Doc: "Maximum size of a body after content decoding."},
		{Name: "ingress.decoded_ratio_max", Kind: Int, Default: "200", Min: 1, Max: 100_000, Doc: "Maximum ratio of decoded to encoded bytes."},
		{Name: "ingress.header_bytes_max", Kind: Bytes, Default: "8KiB", Min: kib, Max: mib, Doc: "Maximum size of the request line and the headers."},
		{Name: "ingress.read_timeout", Kind: Duration, Default: "20s", Min: 100 * millisecond, Max: 10 * minute, Doc: "Maximum time to read a request."},
		{Name: "ingress.write_timeout", Kind: Duration, Default: "10s", Min: 100 * millisecond, Max: 10 * minute, Doc: "Maximum time to write a response."},
		{Name: "ingress.idle_timeout", Kind: Duration, Default: "75s", Min: second, Max: hour, Doc: "Maximum idle time of a connection between requests."},
		{Name: "ingress.connections_max", Kind: Int, Default: "4096", Min: 1, Max: 1 << 20, Doc: "Maximum number of open connections. At the limit, idle and slow connections are closed first, see SECURITY.md."},
		{Name: "ingress.connections_per_client_max", Kind: Int, Default: "512", Min: 0, Max: 1 << 20, Doc: "Maximum number of open connections of one client address (IPv6: /64). 0: no limit per address. A proxy in front counts as one client."},
		{Name: "ingress.in_flight_bytes_max", Kind: Bytes, Default: "128MiB", Min: mib, Max: 64 * gib, Doc: "Maximum size of all bodies that are being read or wait for Kafka. Beyond it the response is 503 (`up`: 64MiB)."},
		{Name: "ingress.ack_timeout", Kind: Duration, Default: "4s", Min: 50 * millisecond, Max: minute, Doc: "Maximum time for Kafka to acknowledge a record. After it the response is 503. Senders give up after 5 s."},
		{Name: "ingress.retry_after", Kind: Duration, Default: "5s", Min: second, Max: hour, Doc: "Value of `Retry-After` with 429 and 503."},
		{Name: "ingress.drain_delay", Kind: Duration, Default: "0s", Min: 0, Max: 10 * minute, Doc: "Time for which `/readyz` fails at a stop before connections are refused. Set it for load balancers that poll `/readyz`."},
		{Name: "ingress.compression.live", Kind: Enum, Default: "none", Allowed: codecs, Doc: "Compression of `raw.live`."},
		{Name: "ingress.compression.bulk", Kind: Enum, Default: "snappy", Allowed: codecs, Doc: "Compression of `raw.bulk`."},
		{Name: "ingress.spool.enabled", Kind: Bool, Default: "true", Doc: "Write webhooks to the local disk and answer 200 while Kafka does not acknowledge them in time."},
		{Name: "ingress.spool.dir", Own: true, Doc: "Folder of the spool. Each process needs its own, on a disk that survives the process. Empty: `spool` in `data_dir`."},
		{Name: "ingress.spool.after", Kind: Duration, Default: "250ms", Min: 10 * millisecond, Max: minute, Doc: "Maximum time for Kafka to acknowledge a record before the record goes to the spool."},
		{Name: "ingress.spool.bytes_max", Kind: Bytes, Default: "4GiB", Min: mib, Max: 1 << 50, Doc: "Maximum size of the spool: a quarter for `raw.live`, the rest for `raw.bulk`. It must hold four segments. Beyond it the response is 503."},
		{Name: "ingress.spool.age_max", Kind: Duration, Default: "12h", Min: second, Max: 30 * day, Doc: "Maximum age of the oldest record in the spool. Beyond it the spool accepts no more records. Keep it well below `processor.dedup_window`."},
		{Name: "ingress.spool.segment_bytes", Kind: Bytes, Default: "16MiB", Min: 64 * kib, Max: gib, Doc: "Maximum size of a file of the spool."},
		{Name: "ingress.spool.fsync", Kind: Bool, Default: "true", Doc: "Call fsync before the response. Without it, records survive a kill -9 but not a power cut."},
		{Name: "ingress.spool.drain.bytes_per_second", Kind: Bytes, Default: "16MiB", Min: kib, Max: 1 << 50, Doc: "Rate at which the spool of a topic shrinks after Kafka has returned, in bytes."},
		{Name: "ingress.spool.drain.records_per_second", Kind: Int, Default: "2000", Min: 1, Max: 100_000_000, Doc: "Rate at which the spool of a topic shrinks after Kafka has returned, in records. The lower of the two rates applies."},
	}
}

func processorKeys() []Key {
	return []Key{
		{Name: "processor.group_id", Default: "coexstream", Doc: "Consumer group.", Pattern: `^[\w.-]{1,200}$`, Allows: "1 to 200 letters, digits, dots, dashes, underscores"},
		{Name: "processor.instance_id", Own: true, Doc: "Stable name of this instance in the group. The transactional id begins with it. Empty: the name of the host.", Pattern: `^[\w.-]{0,200}$`, Allows: "up to 200 letters, digits, dots, dashes, underscores"},
		{Name: "processor.transaction_timeout", Kind: Duration, Default: "1m", Min: second, Max: 15 * minute, Doc: "Age at which the brokers abort a transaction."},
		{Name: "processor.session_timeout", Kind: Duration, Default: "30s", Min: 6 * second, Max: 5 * minute, Doc: "Silence after which the group reassigns the partitions of an instance."},
		{Name: "processor.rebalance_timeout", Kind: Duration, Default: "2m", Min: 6 * second, Max: hour, Doc: "Maximum time for an instance to release its partitions."},
		{Name: "processor.bulk_bytes_max", Kind: Bytes, Default: "4MiB", Min: 64 * kib, Max: gib, Doc: "Maximum bytes of history in a transaction while no live traffic is expected. With live traffic a time limit applies instead."},
		{Name: "processor.held_bytes_max", Kind: Bytes, Default: "32MiB", Min: 0, Max: gib, Doc: "Maximum memory for compressed bodies of held chunks. Others are read again from Kafka. 0 disables the cache (`up`: 0)."},
		{Name: "processor.live_body_bytes_max", Kind: Bytes, Default: "64KiB", Min: 1 << 10, Max: gib, Doc: "A live webhook with a longer body is processed in parts, beside those of other businesses."},
		{Name: "processor.business_bytes_max", Kind: Bytes, Default: "256KiB", Min: 1 << 10, Max: gib, Doc: "Maximum bytes of one business's live webhooks in a transaction while other businesses have live traffic. The rest waits its turn."},
		{Name: "processor.deferred_records_max", Kind: Int, Default: "100000", Min: 1, Max: 10_000_000, Doc: "Maximum live webhooks of a partition that wait their turn. Beyond it they are processed without waiting."},
		{Name: "processor.body_bytes_max", Kind: Bytes, Default: "16MiB", Min: 64 * kib, Max: gib, Doc: "Maximum size of a decoded body. Longer bodies go to `dlq`."},
		{Name: "processor.event_bytes_max", Kind: Bytes, Default: "1MiB", Min: 16 * kib, Max: 64 * mib, Doc: "Maximum size of an event. Longer events go to `dlq`."},
		{Name: "processor.compression", Kind: Enum, Default: "snappy", Allowed: codecs, Doc: "Compression of the event topics."},
		{Name: "processor.depth_max", Kind: Int, Default: "128", Min: 16, Max: 10_000, Doc: "Maximum nesting depth of a body. Deeper parts go to `dlq`."},
		{Name: "processor.dedup_window", Kind: Duration, Default: "24h", Min: minute, Max: 30 * day, Doc: "Time for which duplicate webhooks are dropped. Duplicate history is dropped for the whole onboarding."},
		{Name: "processor.replay_timeout", Kind: Duration, Default: "1h", Min: minute, Max: 30 * day, Doc: "Silence after which an unfinished replay is abandoned. Until then, the time of its partitions is the time of its records."},
		{Name: "processor.unknown_state", Kind: Enum, Default: "block", Allowed: []string{"block", "set_aside"}, Doc: "Handling of a state record that cannot be read. `block` stops its partition. `set_aside` continues without the record."},
		{Name: "processor.media.hold", Kind: Duration, Default: "1h", Min: 0, Max: 7 * day, Doc: "Maximum time for which a media follow-up waits for its placeholder."},
		{Name: "processor.history.gap_timeout", Kind: Duration, Default: "30m", Min: second, Max: 7 * day, Doc: "Maximum time to wait for a missing chunk."},
		{Name: "processor.history.phase_hold", Kind: Duration, Default: "2m", Min: millisecond, Max: 7 * day, Doc: "Maximum time for which a phase waits for an earlier phase whose end is not known."},
		{Name: "processor.history.quiet_time", Kind: Duration, Default: "6h", Min: minute, Max: 30 * day, Doc: "Silence after which a sync is done."},
		{Name: "processor.history.silent_after", Kind: Duration, Default: "30m", Min: second, Max: 7 * day, Doc: "Time after an accepted request without any chunk after which a sync is silent."},
		{Name: "processor.history.stalled_after", Kind: Duration, Default: "2h", Min: second, Max: 7 * day, Doc: "Time without a chunk after which a requested sync is stalled."},
		{Name: "processor.history.deadline_near", Kind: Duration, Default: "4h", Min: minute, Max: 23 * hour, Doc: "Time before the end of the 24 hours for a request, from which on the deadline is near."},
		{Name: "processor.history.ceiling", Kind: Duration, Default: "7d", Min: hour, Max: 60 * day, Doc: "Age at which a sync is done."},
	}
}

func embeddedKeys() []Key {
	return []Key{
		{Name: "embedded.listen", Own: true, Default: "127.0.0.1:9092", Doc: "Address of the broker inside `up`. Port 0 means any free port. If the port is taken and the key is not set, another port is used. Beyond loopback, clients must authenticate.", Pattern: listenPattern, Allows: listenAllows},
		{Name: "embedded.advertise", Own: true, Doc: "Address host:port that the embedded broker gives to its clients. Required where the broker listens on all interfaces. Empty: the address in `embedded.listen`."},
		{Name: "embedded.authentication", Kind: Enum, Default: AuthenticationAuto, Allowed: []string{AuthenticationAuto, AuthenticationAlways}, Doc: "Authentication of the embedded broker's clients, by SCRAM with the password in `DATA_DIR/broker.password`. `auto` requires it beyond loopback only. Without it, every user of this machine can read and write all topics."},
		{Name: "embedded.connections_max", Kind: Int, Default: "1024", Min: 16, Max: 1 << 20, Doc: "Maximum number of open connections of the embedded broker. A quarter may be silent: without a request, or without authentication where it is required. At a limit, silent connections are closed first, then the one whose last request is oldest."},
		{Name: "embedded.sync_writes", Kind: Bool, Default: "true", Doc: "Call fsync before a write is acknowledged, which protects it from a power cut. Without it writes are faster and survive a kill -9 only."},
		{Name: "embedded.segment_bytes", Kind: Bytes, Default: "8MiB", Min: mib, Max: gib, Doc: "Maximum size of the broker's log segments. A start reads whole segments into memory, so this limits its memory."},
		{Name: "embedded.memory_limit", Kind: Bytes, Default: "256MiB", Min: 0, Max: 1 << 50, Doc: "Soft limit of the heap of `up`. GOMEMLIMIT takes precedence. 0: no limit."},
	}
}

func sinkKeys() []Key {
	return []Key{
		{Name: "sink.sqlite.enabled", Kind: Bool, Default: "true", Doc: "Keep the events in SQLite tables as well ([sinks.md](sinks.md)). Only `up` does this."},
		{Name: "sink.sqlite.file", Own: true, Doc: "SQLite file of the tables. Empty: `DATA_DIR/read.db`."},
		{Name: "sink.sqlite.records_max", Kind: Int, Default: "500", Min: 1, Max: 100_000, Doc: "Maximum records in a transaction. Larger transactions are faster, and live events wait longer for them."},
		{Name: "sink.sqlite.retention", Kind: Duration, Default: "0s", Min: 0, Max: 10 * 365 * 24 * hour, Doc: "Maximum age of messages in the SQLite tables. Older ones are removed within a tenth of this time. 0: they stay ([ADR 0055](adr/0055-size-of-the-read-model.md))."},
		{Name: "sink.sqlite.free_bytes_min", Kind: Bytes, Default: "256MiB", Min: 0, Max: 1 << 50, Doc: "Free bytes of the disk below which the SQLite sink writes nothing, so that broker and spool have room. It continues when there are more. 0: no limit."},
		{Name: "sink.postgres.url", Secret: true, Doc: "PostgreSQL database of `coexstream sink postgres`: `postgres://user:password@host:5432/database?sslmode=verify-full`. A file can hold it, and a new password takes effect without a restart."},
		{Name: "sink.postgres.schema", Default: "coexstream", Doc: "Schema of the tables.", Pattern: `^[a-z_][a-z0-9_]{0,47}$`, Allows: "up to 48 lower-case letters, digits and underscores"},
		{Name: "sink.postgres.group_id", Default: "coexstream-sink-postgres", Doc: "Consumer group of the instances, which share the partitions. Positions are in the database, and none is committed to Kafka.", Pattern: `.`, Allows: "a name"},
		{Name: "sink.postgres.session_timeout", Kind: Duration, Default: "10s", Min: second, Max: hour, Doc: "Time after which the partitions of an instance without heartbeats go to others. The brokers limit it (`group.min.session.timeout.ms`)."},
		{Name: "sink.postgres.records_max", Kind: Int, Default: "5000", Min: 1, Max: 100_000, Doc: "Maximum records in a transaction. Larger transactions are faster, and live events wait longer for them."},
		{Name: "sink.postgres.connections_max", Kind: Int, Default: "4", Min: 1, Max: 1000, Doc: "Maximum connections of an instance. Of two and more, one is kept for live events."},
		{Name: "sink.postgres.timeout", Kind: Duration, Default: "1m", Min: second, Max: hour, Doc: "Maximum time of a transaction, with its wait for a connection. The instance then connects again and repeats it. PostgreSQL ends the statements and transactions of an instance that is suspended or cut off after this time, and others continue."},
		{Name: "sink.archive.enabled", Kind: Bool, Default: "false", Doc: "Archive the topics in `up` as well ([archive.md](archive.md)). `coexstream sink archive` always does."},
		{Name: "sink.archive.url", Doc: "Folder or bucket of the archive: `file:///folder`, `s3://bucket?region=...`, `azblob://container`, the last two with `prefix=` for a folder in the bucket. Credentials come from the environment, as for the tools of the cloud.", Pattern: `^$|^[a-z0-9]+://`, Allows: "a URL such as file:///var/lib/archive or s3://bucket?region=eu-central-1"},
		{Name: "sink.archive.topics", Kind: List, Doc: "Topics to archive, without their prefix. Empty: all but `rerouted`."},
		{Name: "sink.archive.parquet", Kind: List, Doc: "Topics whose objects are Parquet instead of JSON Lines, without their prefix. `events` means all topics of events. A change takes effect with the second object that follows."},
		{Name: "sink.archive.rotation", Kind: Duration, Default: "10m", Min: second, Max: 24 * hour, Doc: "Maximum time for which a record waits for its object."},
		{Name: "sink.archive.object_bytes_max", Kind: Bytes, Default: "8MiB", Min: 64 * kib, Max: 14 * mib, Doc: "Size at which an object is closed, compressed. Two objects are in memory at a time."},
		{Name: "sink.archive.snapshots", Kind: Duration, Default: "1d", Min: 0, Max: 366 * day, Doc: "Period of the snapshots of `contacts`, `syncs` and `state`, in UTC. 0: none."},
		{Name: "sink.archive.group_id", Default: "coexstream-sink-archive", Doc: "Consumer group of the instances, which share the partitions. Positions are in the archive, and none is committed to Kafka.", Pattern: `.`, Allows: "a name"},
		{Name: "sink.archive.session_timeout", Kind: Duration, Default: "10s", Min: second, Max: hour, Doc: "Time after which the partitions of an instance without heartbeats go to others."},
		{Name: "sink.archive.timeout", Kind: Duration, Default: "1m", Min: second, Max: hour, Doc: "Maximum time of a request to the bucket."},
		{Name: "sink.media.enabled", Kind: Bool, Default: "false", Doc: "Download media assets in `up` as well ([media.md](media.md)). `coexstream sink media` always does."},
		{Name: "sink.media.url", Doc: "Folder or bucket of the media assets, as in `sink.archive.url`. Empty: that of the archive.", Pattern: `^$|^[a-z0-9]+://`, Allows: "a URL such as file:///var/lib/media or s3://bucket?region=eu-central-1"},
		{Name: "sink.media.dir", Own: true, Doc: "Folder of the downloads that are not finished. Empty: `DATA_DIR/media`. It needs room for `sink.media.in_flight_max` assets and for those that were cut off."},
		{Name: "sink.media.hosts", Kind: List, Default: "lookaside.fbsbx.com", Doc: "Hosts from which assets are downloaded. The URLs come from the provider's answers, and requests carry the token: other hosts get none. Redirects are refused. `http://` before a host is possible on loopback only."},
		{Name: "sink.media.life", Kind: Duration, Default: "7d", Min: hour, Max: 90 * day, Doc: "Time for which the provider has an asset, from the receipt of its webhook. Later, an asset without a download is missing (`expired`)."},
		{Name: "sink.media.in_flight_max", Kind: Int, Default: "4", Min: 1, Max: 256, Doc: "Maximum assets that an instance downloads at a time."},
		{Name: "sink.media.requests_per_second", Kind: Int, Default: "10", Min: 1, Max: 10_000, Doc: "Maximum look-ups and downloads per second of an instance. An asset needs two requests."},
		{Name: "sink.media.asset_bytes_max", Kind: Bytes, Default: "100MiB", Min: kib, Max: 1 << 40, Doc: "Maximum size of an asset. Longer ones are missing (`too_large`). The default is that of the largest document of the Cloud API."},
		{Name: "sink.media.parts_bytes_max", Kind: Bytes, Default: "1GiB", Min: mib, Max: 1 << 60, Doc: "Maximum size of downloads that are not finished, with room for running ones (`sink.media.in_flight_max` times `sink.media.asset_bytes_max`). At the limit, parts that no waiting asset needs are removed first, then the oldest. Their downloads begin again."},
		{Name: "sink.media.total_bytes_max", Kind: Bytes, Default: "0", Min: 0, Max: 1 << 60, Doc: "Maximum size of all contents in the bucket. At the limit, the sink waits and is not ready. 0: no limit."},
		{Name: "sink.media.types", Kind: List, Doc: "Media types to store, such as `image/*` or `application/pdf`. The declared type and the first bytes of the content have to match. Others are missing (`type_not_allowed`). Empty: all."},
		{Name: "sink.media.attempt_timeout", Kind: Duration, Default: "10m", Min: second, Max: day, Doc: "Maximum time of a download. The next attempt continues it."},
		{Name: "sink.media.group_id", Default: "coexstream-sink-media", Doc: "Consumer group of the instances, which share the partitions. Its committed offsets say which events have an outcome.", Pattern: `.`, Allows: "a name"},
		{Name: "sink.media.session_timeout", Kind: Duration, Default: "10s", Min: second, Max: hour, Doc: "Time after which the partitions of an instance without heartbeats go to others. The brokers limit it (`group.min.session.timeout.ms`)."},
		{Name: "sink.media.link_key", Secret: true, Doc: "Key that signs links to stored assets. It has at least 32 bytes. A changed key ends all former links."},
		{Name: "sink.media.link_url", Doc: "Base URL of these links, as people reach it. Empty: links are those of the bucket, where it can sign them (S3, Azure).", Pattern: `^$|^https?://`, Allows: "an http or https URL"},
		{Name: "sink.media.link_listen", Doc: "Address that serves the assets of these links, behind a proxy with TLS. Empty: none. It needs `sink.media.link_key` and `sink.media.link_url`."},
		{Name: "sink.webhook.endpoints_file", Doc: "YAML file with the endpoints that get events by HTTP ([webhooks-out.md](webhooks-out.md)). A changed file takes effect without a restart. Empty: `up` sends no webhooks."},
		{Name: "sink.webhook.group_id", Default: "coexstream-sink-webhook", Doc: "Begin of the names of the consumer groups. Each endpoint has a group: this, a dot and its name. Its committed offsets say what the endpoint has.", Pattern: `^[\w.-]{1,180}$`, Allows: "1 to 180 letters, digits, dots, dashes, underscores"},
		{Name: "sink.webhook.session_timeout", Kind: Duration, Default: "10s", Min: second, Max: hour, Doc: "Time after which the partitions of an instance without heartbeats go to others. An instance that was suspended for longer sends nothing. The brokers limit it (`group.min.session.timeout.ms`)."},
		{Name: "sink.webhook.in_flight_max", Kind: Int, Default: "256", Min: 1, Max: 100_000, Doc: "Maximum requests in flight of an instance. The limits of its endpoints (`in_flight`) must fit into it, so that none uses the share of another one."},
	}
}

func deskKeys() []Key {
	return []Key{
		{Name: "desk.enabled", Kind: Bool, Default: "true", Doc: "Run the desk in `up` as well ([desk.md](desk.md)). `coexstream desk` always does."},
		{Name: "desk.tokens_dir", Own: true, Doc: "Folder with a file for each token: `PROVIDER/ID`, such as `meta/102290129340398`. ID is the WABA's, or the number's where keys belong to numbers. A file is read for each request."},
		{Name: "desk.token_command", Kind: List, Doc: "Command and arguments that print a token, run where `desk.tokens_dir` has no file. `{provider}`, `{waba_id}` and `{phone_number_id}` are replaced."},
		{Name: "desk.addresses", Kind: List, Doc: "Base URLs of the providers' APIs, as `PROVIDER=URL`, where they differ from the public ones. Plain HTTP is possible on loopback only."},
		{Name: "desk.timeout", Kind: Duration, Default: "30s", Min: second, Max: minute, Doc: "Maximum time of a request to a provider's API. A request without an answer has an unknown outcome, and is not repeated."},
		{Name: "desk.unknown_after", Kind: Duration, Default: "3m", Min: 3 * second, Max: hour, Doc: "Time after an intent at which its outcome is unknown if none was written: the process has ended. At least three times `desk.timeout`."},
		{Name: "desk.app_id", Doc: "Id of the app whose webhooks come here. The preflight checks its subscriptions.", Pattern: `^[0-9]{0,32}$`, Allows: "digits"},
		{Name: "desk.app_token", Secret: true, Doc: "Access token of that app (`APP_ID|APP_SECRET`), to read its subscribed fields."},
		{Name: "desk.public_url", Doc: "URL that the provider calls, with the path of a source. The preflight sends two webhooks there that cannot become events.", Pattern: `^$|^https?://`, Allows: "an http or https URL"},
		{Name: "desk.access_file", Own: true, Doc: "YAML file with the clients of the desk's HTTP interface: `clients`, each with `name`, `token` and `scopes` (`read`, `start`). A changed file takes effect without a restart. Full access to the admin listener includes both scopes."},
		{Name: "desk.url", Own: true, Doc: "Base URL of the admin listener of the desk, for `coexstream sync`. Empty: that of this machine.", Pattern: `^$|^https?://`, Allows: "an http or https URL"},
		{Name: "desk.client_token", Secret: true, Doc: "Token that `coexstream sync` sends. Empty: `admin.token`."},
	}
}

// Default is a layer of defaults for one role, put over the keys' own.
type Default map[string]string

// UpDefaults are the defaults of `up`: one broker, few partitions.
func UpDefaults() Default {
	return Default{"kafka.partitions": "4", "kafka.replication_factor": "1", "kafka.min_insync_replicas": "1", "ingress.in_flight_bytes_max": "64MiB", "processor.held_bytes_max": "0"}
}
