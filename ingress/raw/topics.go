package raw

import "github.com/coexstream/coexstream/schemas"

// Lanes is the number of raw topics. Arrays by lane have this length.
const Lanes = 2

// Topics returns the raw topics in the order of their lanes.
func Topics() [Lanes]schemas.Topic {
	return [Lanes]schemas.Topic{schemas.TopicRawLive, schemas.TopicRawBulk}
}

// Lane returns the index of a raw topic in arrays by lane.
func Lane(t schemas.Topic) int {
	if t == schemas.TopicRawBulk {
		return 1
	}
	return 0
}
