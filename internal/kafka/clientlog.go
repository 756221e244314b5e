package kafka

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// clientLog writes the log lines of a franz-go client. Its errors become warnings, because the callers handle them. A
// repeated error within clientLogPause, and everything below an error, is for debugging.
type clientLog struct {
	to    *slog.Logger
	level kgo.LogLevel
	now   func() time.Time

	mu     sync.Mutex
	warned map[string]time.Time // by message
}

// clientLogPause is the minimum time between two warnings with the same message.
const clientLogPause = 10 * time.Second

// clientLogMessagesMax bounds the remembered messages. Few of the client's messages contain values.
const clientLogMessagesMax = 100

func newClientLog(to *slog.Logger, now func() time.Time) *clientLog {
	l := &clientLog{to: to.With("component", "kafka client"), level: kgo.LogLevelError, now: now, warned: map[string]time.Time{}}
	if to.Enabled(context.Background(), slog.LevelDebug) {
		l.level = kgo.LogLevelInfo // its own debug lines are one for each request
	}
	return l
}

// Level implements kgo.Logger.
func (l *clientLog) Level() kgo.LogLevel { return l.level }

// Log implements kgo.Logger.
func (l *clientLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	to := slog.LevelDebug
	if level == kgo.LogLevelError && l.first(msg) {
		to = slog.LevelWarn
	}
	l.to.Log(context.Background(), to, msg, keyvals...)
}

// first reports whether a message has not been a warning within the pause.
func (l *clientLog) first(msg string) bool {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, ok := l.warned[msg]; ok && now.Sub(last) < clientLogPause {
		return false
	}
	if len(l.warned) >= clientLogMessagesMax {
		clear(l.warned)
	}
	l.warned[msg] = now
	return true
}
