package probe

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coexstream/coexstream/internal/doctor"
)

// Process is an admin listener.
type Process struct {
	URL     string // base
	Asked   bool   // named by the user
	OwnHash string // expected hash of its configuration; empty: not compared
}

const (
	processTimeout  = 3 * time.Second
	answerBytesMax  = 1 << 20
	metricsBytesMax = 16 << 20
)

func (p *prober) processes(ctx context.Context) error {
	p.facts.Processes = make([]doctor.Process, len(p.Processes))
	client := &http.Client{
		Timeout: processTimeout, Transport: p.Admin,
		// The credentials of an admin listener are for that listener alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	for i := range p.Processes {
		wg.Go(func() { p.facts.Processes[i] = p.process(ctx, client, &p.Processes[i]) })
	}
	wg.Wait()
	return nil
}

func (p *prober) process(ctx context.Context, client *http.Client, of *Process) doctor.Process {
	fact := doctor.Process{URL: of.URL, Asked: of.Asked, OwnHash: of.OwnHash}
	var report struct {
		Ready  bool
		Reason string
		Parts  []struct {
			Name, Error string
			Ready       bool
		}
	}
	fact.Err = get(ctx, client, of.URL+"/readyz", func(resp *http.Response, asked time.Time) error {
		if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			// HTTP has whole seconds, cut off; the answer was written somewhere between question and answer.
			took := p.Now().Sub(asked)
			fact.Ahead, fact.Timed = at.Add(time.Second/2).Sub(asked.Add(took/2)), true
		}
		return json.NewDecoder(io.LimitReader(resp.Body, answerBytesMax)).Decode(&report)
	}, p.Now)
	if fact.Err != nil {
		return fact
	}
	fact.Ready, fact.Reason = report.Ready, report.Reason
	for _, part := range report.Parts {
		if !part.Ready {
			fact.Trouble = append(fact.Trouble, part.Name+": "+part.Error)
		}
	}
	// A process of an older build has no such metric. Then nothing is compared.
	_ = get(ctx, client, of.URL+"/metrics", func(resp *http.Response, _ time.Time) error {
		readMetrics(io.LimitReader(resp.Body, metricsBytesMax), &fact)
		return nil
	}, p.Now)
	return fact
}

func get(ctx context.Context, client *http.Client, url string, read func(*http.Response, time.Time) error, now func() time.Time) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	asked := now()
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusServiceUnavailable {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return read(resp, asked)
}

var sample = regexp.MustCompile(`^(coexstream_config_info|coexstream_spool_records|coexstream_spool_oldest_seconds|coexstream_spool_writable|coexstream_processor_blocked_partitions|coexstream_processor_damaged_batches|coexstream_processor_largest_(?:business|source)_numbers|coexstream_processor_deferred_(?:businesses|records|oldest_seconds)|coexstream_sink_blocked_partitions|coexstream_sink_damaged_batches|coexstream_sink_letters_total|coexstream_sink_writable|coexstream_sink_lag_records|coexstream_sink_lag_seconds|coexstream_webhook_failing|coexstream_webhook_disabled|coexstream_media_(?:denied_businesses|waiting_assets|expiry_seconds|lost_offsets_total)|coexstream_archive_(?:blocked_partitions|damaged_batches|lost_offsets_total|waiting_offsets|oldest_seconds|rotation_seconds))(?:\{(.*)\})? (\S+)$`)

var hashLabel = regexp.MustCompile(`\bhash="([0-9a-f]+)"`)

var sourceLabel = regexp.MustCompile(`\bsource="((?:[^"\\]|\\.)*)"`)

var sinkLabel, liveLabel = regexp.MustCompile(`\bsink="([^"]+)"`), regexp.MustCompile(`\blane="live"`)

var businessLabel = regexp.MustCompile(`\bbusiness="([0-9a-f]+)"`)

// readMetrics takes what it needs from a process's metrics: one sample a line.
func readMetrics(metrics io.Reader, fact *doctor.Process) {
	spooled := &doctor.Spooled{Writable: true}
	lines := bufio.NewScanner(metrics)
	for lines.Scan() {
		m := sample.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			continue
		}
		if strings.HasPrefix(m[1], "coexstream_spool_") {
			fact.Spooled = spooled // one sample for each topic
		}
		switch m[1] {
		case "coexstream_config_info":
			if h := hashLabel.FindStringSubmatch(m[2]); h != nil {
				fact.ConfigHash = h[1]
			}
		case "coexstream_processor_blocked_partitions":
			fact.Blocked = int(value)
		case "coexstream_processor_damaged_batches":
			fact.Damaged += int(value) // one sample for each topic
		case "coexstream_processor_largest_business_numbers":
			if h := businessLabel.FindStringSubmatch(m[2]); h != nil && int(value) > fact.Largest {
				fact.Largest, fact.Business = int(value), h[1]
			}
		case "coexstream_processor_deferred_businesses":
			fact.Waiting.Businesses = int(value)
		case "coexstream_processor_deferred_records":
			fact.Waiting.Records = int(value)
		case "coexstream_processor_deferred_oldest_seconds":
			fact.Waiting.Oldest = time.Duration(value * float64(time.Second))
		case "coexstream_processor_largest_source_numbers":
			if l := sourceLabel.FindStringSubmatch(m[2]); l != nil && int(value) > fact.OfSource {
				fact.OfSource, fact.Source = int(value), l[1]
			}
		case "coexstream_sink_blocked_partitions", "coexstream_sink_damaged_batches", "coexstream_sink_letters_total", "coexstream_sink_writable", "coexstream_sink_lag_records", "coexstream_sink_lag_seconds",
			"coexstream_webhook_failing", "coexstream_webhook_disabled":
			readSink(m[1], m[2], value, fact)
		case "coexstream_archive_blocked_partitions", "coexstream_archive_damaged_batches", "coexstream_archive_lost_offsets_total", "coexstream_archive_waiting_offsets", "coexstream_archive_oldest_seconds", "coexstream_archive_rotation_seconds":
			readArchive(m[1], value, fact)
		case "coexstream_media_denied_businesses", "coexstream_media_waiting_assets", "coexstream_media_expiry_seconds", "coexstream_media_lost_offsets_total":
			readMedia(m[1], value, fact)
		case "coexstream_spool_records":
			spooled.Records += value
		case "coexstream_spool_oldest_seconds":
			spooled.Oldest = max(spooled.Oldest, time.Duration(value*float64(time.Second)))
		case "coexstream_spool_writable":
			spooled.Writable = spooled.Writable && value > 0
		}
	}
}

// readMedia takes a sample about media assets.
func readMedia(name string, value float64, fact *doctor.Process) {
	if fact.Media == nil {
		fact.Media = &doctor.Media{}
	}
	switch m := fact.Media; name {
	case "coexstream_media_denied_businesses":
		m.Denied = value
	case "coexstream_media_waiting_assets":
		m.Waiting += value // one sample for each lane
	case "coexstream_media_expiry_seconds":
		m.Expiry = time.Duration(value * float64(time.Second))
	case "coexstream_media_lost_offsets_total":
		m.Lost = value
	}
}

// readArchive takes a sample about an archive.
func readArchive(name string, value float64, fact *doctor.Process) {
	if fact.Archive == nil {
		fact.Archive = &doctor.Archive{}
	}
	switch a := fact.Archive; name {
	case "coexstream_archive_blocked_partitions":
		a.Blocked = value
	case "coexstream_archive_damaged_batches":
		a.Damaged = value
	case "coexstream_archive_lost_offsets_total":
		a.Lost = value
	case "coexstream_archive_waiting_offsets":
		a.Waiting = value
	case "coexstream_archive_oldest_seconds":
		a.Oldest = time.Duration(value * float64(time.Second))
	case "coexstream_archive_rotation_seconds":
		a.Rotation = time.Duration(value * float64(time.Second))
	}
}

// readSink takes a sample about a sink.
func readSink(name, labels string, value float64, fact *doctor.Process) {
	l := sinkLabel.FindStringSubmatch(labels)
	if l == nil {
		return
	}
	i := slices.IndexFunc(fact.Sinks, func(s doctor.Sink) bool { return s.Name == l[1] })
	if i < 0 {
		i = len(fact.Sinks)
		fact.Sinks = append(fact.Sinks, doctor.Sink{Name: l[1]})
	}
	switch s := &fact.Sinks[i]; name {
	case "coexstream_sink_blocked_partitions":
		s.Blocked = value
	case "coexstream_sink_damaged_batches":
		s.Damaged = value
	case "coexstream_sink_letters_total":
		s.Letters = value
	case "coexstream_sink_writable":
		s.NoRoom = value < 1
	case "coexstream_webhook_failing":
		s.Failing = value > 0
	case "coexstream_webhook_disabled":
		s.Disabled = value > 0
	case "coexstream_sink_lag_records":
		s.Records += value // one for each lane
	case "coexstream_sink_lag_seconds":
		if liveLabel.MatchString(labels) {
			s.Live = time.Duration(value * float64(time.Second))
		}
	}
}
