package world

import (
	"slices"
	"strings"
	"time"

	"github.com/coexstream/coexstream/internal/invalid"
)

// How chunk_order is numbered.
const (
	NumberingRestart = "restart" // from the start again in each phase
	NumberingThrough = "through" // runs on from phase to phase
	NumberingNone    = "none"    // no chunk_order at all, as some partners send it
	NumberingMixed   = "mixed"   // each number its own
)

// Meanings of progress.
const (
	ProgressPhase   = "phase"   // to 100 in each phase
	ProgressOverall = "overall" // to 100 once
	ProgressMixed   = "mixed"   // each number its own
)

// YCloudMax is how many past messages a business that comes through YCloud has at most: each is a webhook.
const YCloudMax = 400

// Config describes the world. Rates are shares from 0 to 1.
type Config struct {
	Seed  uint64    // the same seed makes the same world
	Start time.Time // the moment of onboarding; messages are younger or older than this

	Businesses int // WhatsApp Business Accounts
	Messages   int // past messages of all businesses together, spread unevenly
	Live       int // live webhooks of all businesses together: messages, echoes, statuses

	ChunkBytesMin int // a number's chunks are aimed at a size between these two
	ChunkBytesMax int

	Numbering     string
	Progress      string
	ShuffleWindow int // chunks arrive shuffled within windows of so many; 1: in order; 0: altogether
	ZeroStart     float64
	NoLastPhase   float64 // numbers without messages of the last phase: their sync stays open
	SkipPhase     float64 // numbers without messages of the middle phase: the processor has to wait for its phase hold
	NewestFirst   float64 // threads, newest message first

	DuplicateRate float64 // bodies that are sent again
	OverlapRate   float64 // chunks that repeat messages of another chunk
	LateHoles     float64 // chunks that come after all others
	LateAfter     time.Duration
	// LeaveAfter keeps an offboarding away from the onboarding that it ends. The times of account events may be wrong
	// by a second or two, so a shorter onboarding cannot be distinguished from one before it.
	LeaveAfter time.Duration

	SecondNumber float64 // businesses with two numbers
	Dialog       float64 // businesses that come through 360dialog's partner URL
	Declines     float64 // numbers that do not share their history
	Reonboard    float64 // businesses that leave and come back
	Users        float64 // chats known by a business-scoped user id only

	Contacts    int     // of all businesses together
	Media       float64 // past messages that are media placeholders
	MediaFollow float64 // recent placeholders whose asset follows
	MediaEchoed float64 // assets that come as an echo

	Unsupported float64 // live messages announced as unsupported first, and copies of past ones that are placeholders
	Mixed       float64 // chunks that share their body with echoes and contacts
	Several     float64 // live webhooks that share their body with another business
	Unknown     int     // webhooks of unknown fields, for each business
	Broken      int     // invalid bodies, in all

	YCloud float64 // businesses that come through YCloud, with one number and YCloudMax past messages at most each

	Spellings  float64 // numbers whose webhooks write phone numbers in several ways: with a plus, with and without a country's optional digit
	NoName     float64 // numbers whose history does not say their phone number
	NoSender   float64 // past messages without a sender
	Groups     float64 // live webhooks of groups
	Crowds     float64 // live webhooks with messages of several users
	SameSecond float64 // contacts, statuses and edits that others of the same second follow
	Undated    float64 // contacts without a timestamp; businesses whose account events have no time
	Twins      float64 // live messages that come again, and assets that come, under the second wamid of their message
	Aliases    float64 // echoes, account events and errors under another name
	Standby    float64 // live webhooks that are copies of what another application answers
	Handovers  float64 // live webhooks about a thread that was handed over
	Odd        float64 // live webhooks, chunks and webhooks of contacts of which a part is odd
	Failures   float64 // chunks of which an error comes, too
}

// Plain is the world without what few webhooks have: for measuring, where all webhooks have to be of one shape.
func (c Config) Plain() Config {
	c.YCloud, c.Spellings, c.NoName, c.NoSender, c.Groups, c.Crowds, c.SameSecond, c.Undated = 0, 0, 0, 0, 0, 0, 0, 0
	c.Twins, c.Aliases, c.Standby, c.Handovers, c.Odd, c.Failures = 0, 0, 0, 0, 0, 0
	return c
}

// DefaultConfig is a world with every quirk, in which no processor with default settings has to wait
// for minutes: chunk numbers restart and progress goes to 100 in each phase.
func DefaultConfig() Config {
	return Config{
		Businesses: 20, Messages: 20_000, Live: 2_000,
		ChunkBytesMin: 20_000, ChunkBytesMax: 3_000_000,
		Numbering: NumberingRestart, Progress: ProgressPhase,
		ZeroStart: 0.1, NoLastPhase: 0.1, NewestFirst: 0.2,
		DuplicateRate: 0.1, OverlapRate: 0.2, LateHoles: 0.05,
		SecondNumber: 0.25, Declines: 0.1, Reonboard: 0.15, Users: 0.1,
		Contacts: 2_000, Media: 0.08, MediaFollow: 0.5, MediaEchoed: 0.2,
		LeaveAfter: 3200 * time.Millisecond, Unsupported: 0.03, Mixed: 0.05, Several: 0.03, Unknown: 1, Broken: 12,
		Spellings: 0.3, NoName: 0.15, NoSender: 0.05, Groups: 0.05, Crowds: 0.05, SameSecond: 0.1, Undated: 0.1,
		Twins: 0.05, Aliases: 0.2, Standby: 0.05, Handovers: 0.02, Odd: 0.03, Failures: 0.05,
	}
}

// Validate returns an error that names the key, its value, and the allowed values.
func (c *Config) Validate() error {
	for _, v := range []struct {
		key           string
		val, min, max int
	}{
		{"businesses", c.Businesses, 1, 100_000},
		{"messages", c.Messages, 0, 1 << 30},
		{"live", c.Live, 0, 1 << 26},
		{"chunk_bytes_min", c.ChunkBytesMin, 1_000, 16 << 20},
		{"chunk_bytes_max", c.ChunkBytesMax, c.ChunkBytesMin, 16 << 20},
		{"shuffle_window", c.ShuffleWindow, 0, 1 << 30},
		{"contacts", c.Contacts, 0, 1 << 26},
		{"unknown", c.Unknown, 0, 1000},
		{"broken", c.Broken, 0, 1 << 20},
	} {
		if v.val < v.min || v.val > v.max {
			return invalid.Value(v.key, v.val, "%d to %d", v.min, v.max)
		}
	}
	for _, v := range []struct {
		key string
		val float64
	}{
		{"zero_start", c.ZeroStart}, {"no_last_phase", c.NoLastPhase}, {"skip_phase", c.SkipPhase}, {"newest_first", c.NewestFirst},
		{"duplicate_rate", c.DuplicateRate}, {"overlap_rate", c.OverlapRate}, {"late_holes", c.LateHoles},
		{"second_number", c.SecondNumber}, {"dialog", c.Dialog}, {"declines", c.Declines}, {"reonboard", c.Reonboard},
		{"users", c.Users}, {"media", c.Media}, {"media_follow", c.MediaFollow}, {"media_echoed", c.MediaEchoed},
		{"unsupported", c.Unsupported}, {"mixed", c.Mixed}, {"several", c.Several},
		{"ycloud", c.YCloud}, {"spellings", c.Spellings}, {"no_name", c.NoName}, {"no_sender", c.NoSender}, {"groups", c.Groups},
		{"crowds", c.Crowds}, {"same_second", c.SameSecond}, {"undated", c.Undated}, {"twins", c.Twins}, {"aliases", c.Aliases},
		{"standby", c.Standby}, {"handovers", c.Handovers}, {"odd", c.Odd}, {"failures", c.Failures},
	} {
		if !(v.val >= 0 && v.val <= 1) {
			return invalid.Value(v.key, v.val, "0 to 1")
		}
	}
	for _, v := range []struct {
		key, val string
		allowed  []string
	}{
		{"numbering", c.Numbering, []string{NumberingRestart, NumberingThrough, NumberingNone, NumberingMixed}},
		{"progress", c.Progress, []string{ProgressPhase, ProgressOverall, ProgressMixed}},
	} {
		if !slices.Contains(v.allowed, v.val) {
			return invalid.Value(v.key, v.val, "%s", strings.Join(v.allowed, ", "))
		}
	}
	if c.LateAfter < 0 {
		return invalid.Value("late_after", c.LateAfter, "0 or more")
	}
	if c.LeaveAfter < 0 {
		return invalid.Value("leave_after", c.LeaveAfter, "0 or more")
	}
	if c.Start.IsZero() {
		return invalid.Value("start", c.Start, "a time")
	}
	return nil
}
