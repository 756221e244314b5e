package processors

// lanes decides how much to poll and whether bulk is served at all, so that live messages come first and
// a transaction holds a bounded amount of bulk work. It is a function of what polls brought.
type lanes struct {
	liveLagMax   int64 // records
	bulkBytesMax int64
	bulkAvgBytes int64
	bulkPaused   bool
	lastHadBulk  bool
}

const pollRecordsMax = 2000

func newLanes(liveLagMax, bulkBytesMax int64) *lanes {
	return &lanes{liveLagMax: liveLagMax, bulkBytesMax: bulkBytesMax}
}

// polled takes what a poll brought: the bulk records and their bytes, and the live records that are left
// in the log.
func (l *lanes) polled(bulkRecords int, bulkBytes, liveLag int64) {
	l.lastHadBulk = bulkRecords > 0
	if bulkRecords > 0 {
		avg := bulkBytes / int64(bulkRecords)
		if l.bulkAvgBytes == 0 {
			l.bulkAvgBytes = avg
		}
		l.bulkAvgBytes = (3*l.bulkAvgBytes + avg) / 4
	}
	switch {
	case liveLag > l.liveLagMax:
		l.bulkPaused = true
	case liveLag <= l.liveLagMax/2:
		l.bulkPaused = false
	}
}

// next says how many records the next poll may take, and whether bulk is to be paused during it.
func (l *lanes) next() (records int, pauseBulk bool) {
	if l.bulkPaused || !l.lastHadBulk || l.bulkAvgBytes == 0 {
		return pollRecordsMax, l.bulkPaused
	}
	return int(min(max(l.bulkBytesMax/l.bulkAvgBytes, 1), pollRecordsMax)), false
}
