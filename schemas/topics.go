package schemas

// Topic names one of the pipeline's topics without its prefix.
type Topic uint8

// The topics. docs/ARCHITECTURE.md: every topic has the same number of partitions and the same partitioner
// (murmur2 over the WABA id), so partition i of each of them holds the same businesses.
const (
	TopicRawLive Topic = iota
	TopicRawBulk
	TopicRerouted
	TopicHistory
	TopicMedia
	TopicContacts
	TopicEchoes
	TopicMessages
	TopicAccount
	TopicSyncs
	TopicOther
	TopicAssets
	TopicDLQ
	TopicState
	topicCount
)

var topicNames = [topicCount]string{
	TopicRawLive: "raw.live", TopicRawBulk: "raw.bulk", TopicRerouted: "rerouted",
	TopicHistory: "history", TopicMedia: "media", TopicContacts: "contacts",
	TopicEchoes: "echoes", TopicMessages: "messages", TopicAccount: "account",
	TopicSyncs: "syncs", TopicOther: "other", TopicAssets: "assets", TopicDLQ: "dlq", TopicState: "state",
}

// String is the topic's name without the prefix.
func (t Topic) String() string { return topicNames[t] }

// Name is the topic's full name: prefix (default "coex.") and name.
func (t Topic) Name(prefix string) string { return prefix + topicNames[t] }

// Compacted reports whether the newest record of a key is the truth of this topic.
func (t Topic) Compacted() bool { return t == TopicContacts || t == TopicSyncs || t == TopicState }

// Raw reports whether the ingress writes this topic. Raw topics are not transactional.
func (t Topic) Raw() bool { return t == TopicRawLive || t == TopicRawBulk }

// Topics lists all topics.
func Topics() []Topic {
	ts := make([]Topic, topicCount)
	for i := range ts {
		ts[i] = Topic(i)
	}
	return ts
}

// Inputs lists the topics that a processor consumes, in the order in which it serves them.
func Inputs() []Topic { return []Topic{TopicRawLive, TopicRerouted, TopicRawBulk} }

// ParseTopic finds a topic by its name without prefix.
func ParseTopic(name string) (Topic, bool) {
	for i, n := range topicNames {
		if n == name {
			return Topic(i), true
		}
	}
	return 0, false
}
