package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coexstream/coexstream/bench/tenant"
)

// Rotten bytes in the spool of the ingress. Kafka does not take part: brokers have checksums and replicas of their own.
// The damage hits webhooks of a business beside those of the simulation; in the spool they are mixed with the
// simulation's. So check expects all of the simulation's webhooks, also those behind the damage. Of the business's own
// webhooks, exactly the damaged ones may be missing.

// rotten is the fate of the webhooks of that business.
type rotten struct {
	acked   []string            // ids of the expected messages
	damaged map[string]struct{} // of those, which are not
	traces  [][]byte            // what stands in their place: quarantine is to have it
}

const (
	rottenWebhooks = 24
	// toldTime is for an ingress that starts to find the damage.
	toldTime = 60 * time.Second
)

// rot cuts the ingress off from Kafka, so that its spool takes the webhooks. It kills the ingress, flips bytes of some
// webhooks in the spool, and starts the ingress again. It fails if the ingress does not report the damage.
func (s *stage) rot(ctx context.Context, f fault) error {
	if err := s.ingress.waitReady(ctx, readyTimeout); err != nil {
		s.say("SKIP %s: %v", f.name(), err) // brokers are away
		return nil
	}
	links, err := s.links().between(ingressName + "~" + everyBroker)
	if err != nil {
		return err
	}
	for _, l := range links {
		l.set(linkCut, 0)
		defer l.set(linkOpen, 0)
	}
	acked, err := s.sendRotten(ctx, f.length)
	if err != nil {
		return err
	}
	s.ingress.kill()
	damaged, damageErr := s.damageSpool(acked)
	for _, l := range links {
		l.set(linkOpen, 0)
	}
	if err := errors.Join(damageErr, s.ingress.start()); err != nil {
		return err
	}
	told := 0.0
	err = until(ctx, toldTime, func() bool {
		n, err := s.ingress.counted(ctx, "coexstream_spool_damaged_bytes_total")
		told = n
		return err == nil && n > 0
	})
	if ctx.Err() != nil {
		return nil // the run has failed already
	}
	if err != nil {
		return fmt.Errorf("%d webhooks in the spool were damaged, and the ingress does not report it: %w", damaged, err)
	}
	s.say("      %d of %d webhooks were damaged in the spool; the ingress reports %.0f bytes", damaged, len(acked), told)
	return nil
}

// sendRotten sends webhooks until each has its 200, spread over a time, and returns the ids of their messages.
func (s *stage) sendRotten(ctx context.Context, over time.Duration) (acked []string, err error) {
	t := tenant.New("http://"+s.sender.addr()+"/webhooks/meta", metaSecret, senderTimeout)
	defer t.Close()
	turn := time.NewTicker(over / rottenWebhooks)
	defer turn.Stop()
	run := time.Now().UnixNano()
	for i := range rottenWebhooks {
		id := fmt.Sprintf("%s%d.%02d", rottenPrefix, run, i)
		if err := until(ctx, 30*time.Second, func() bool { return t.Send(ctx, tenant.Webhook(rottenWABA, rottenNumber, id)) }); err != nil {
			return nil, fmt.Errorf("without Kafka the ingress takes no webhook: %w", err)
		}
		acked = append(acked, id)
		s.mu.Lock()
		s.rotten.acked = append(s.rotten.acked, id)
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-turn.C:
		}
	}
	return acked, nil
}

const (
	rottenWABA, rottenNumber = "999000111333555", "999000111333666"
	rottenPrefix             = "wamid.rotten"
)

// damageSpool flips eight bytes of every third webhook in the spool, except the last one, because a webhook behind the
// damage has to arrive.
func (s *stage) damageSpool(ids []string) (n int, err error) {
	files, err := filepath.Glob(filepath.Join(s.spoolDir(), "raw.*", "*.spool"))
	if err != nil {
		return 0, err
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return n, err
		}
		changed := false
		for i := 1; i < len(ids)-1; i += 3 {
			trace := flipped(ids[i])
			for {
				at := bytes.Index(b, []byte(ids[i]))
				if at < 0 {
					break
				}
				copy(b[at:], trace)
				changed = true
				s.mu.Lock()
				if _, known := s.rotten.damaged[ids[i]]; !known {
					s.rotten.damaged[ids[i]] = struct{}{}
					s.rotten.traces = append(s.rotten.traces, trace)
					n++
				}
				s.mu.Unlock()
			}
		}
		if changed {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				return n, err
			}
		}
	}
	if n == 0 {
		return 0, fmt.Errorf("none of %d webhooks with a 200 is in the spool, and Kafka is cut off", len(ids))
	}
	return n, nil
}

// flipped is an id with eight flipped bytes behind its prefix.
func flipped(id string) []byte {
	b := []byte(id)
	for i := range 8 {
		b[len(rottenPrefix)+i] ^= 0x5a
	}
	return b
}

func (s *stage) spoolDir() string { return filepath.Join(s.dir, "spool") }

// judgeRotten compares the arrived webhooks with the damaged ones.
func (s *stage) judgeRotten(out *outcome) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var wrong []string
	for _, id := range s.rotten.acked {
		_, damaged := s.rotten.damaged[id]
		switch n := out.rotten[id]; {
		case damaged && n > 0:
			wrong = append(wrong, id+" was damaged, and came out")
		case !damaged && n != 1:
			wrong = append(wrong, fmt.Sprintf("%s came out %d times", id, n))
		}
	}
	var kept bytes.Buffer
	files, err := filepath.Glob(filepath.Join(s.spoolDir(), "raw.*", "quarantine", "*.spool"))
	if err != nil {
		return err
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		kept.Write(b)
	}
	for _, trace := range s.rotten.traces {
		if !bytes.Contains(kept.Bytes(), trace) {
			wrong = append(wrong, fmt.Sprintf("the rest of %s is not in quarantine", flipped(string(trace))))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("damaged bytes in the spool: %w: %s", errFaults, strings.Join(wrong[:min(len(wrong), 20)], "; "))
	}
	if len(s.rotten.acked) > 0 {
		s.say("damaged bytes: of %d webhooks beside the simulation's exactly the %d damaged ones are missing, told and in quarantine", len(s.rotten.acked), len(s.rotten.damaged))
	}
	return nil
}
