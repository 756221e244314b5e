package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// judged are those in which `check` counts each missing record as one lost event.
func judged(topic string) string {
	switch topic {
	case "raw.live", "raw.bulk":
		return "raw.*"
	case "state":
		return ""
	}
	return topic
}

const prefix = "coex."

// verified has the needed fields of the output of `broker verify`.
type verified struct {
	Damage     []damage `json:"damage"`
	Quarantine []damage `json:"quarantine"`
}

type damage struct {
	Lost        bool   `json:"lost"`
	What        string `json:"what"`
	Topic       string `json:"topic"`
	FirstOffset int64  `json:"first_offset"`
	LastOffset  int64  `json:"last_offset"`
	Exact       bool   `json:"exact"`
}

// verify runs `broker verify` and returns what it found.
func (o *options) verify(ctx context.Context, binary, dir string) (verified, error) {
	var v verified
	out, err := exec.CommandContext(ctx, binary, "broker", "verify", "--data-dir", dir, "--output", "json").Output()
	if exit := (*exec.ExitError)(nil); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 3) {
		return v, fmt.Errorf("broker verify: %w", err)
	}
	return v, json.Unmarshal(out, &v)
}

// sound fails when `broker verify` finds anything: kills alone damage nothing.
func (o *options) sound(ctx context.Context, binary, dir string) error {
	v, err := o.verify(ctx, binary, dir)
	if err == nil && len(v.Damage)+len(v.Quarantine) > 0 {
		err = fmt.Errorf("broker verify: kills alone left damage %+v, quarantine %+v", v.Damage, v.Quarantine)
	}
	return err
}

// rot damages a batch in each of several logs while `up` is stopped, starts it, and has `check` judge: of each topic
// only the records may be missing that `broker verify` names. Then a second world must be complete.
func (o *options) rot(ctx context.Context, u *upProcess, truth string) error {
	u.kill()
	if err := o.sound(ctx, u.binary, u.dir); err != nil {
		return err
	}
	topics := strings.Split(o.rotten, ",")
	if err := damageLogs(filepath.Join(u.dir, "broker", "partitions"), topics, rand.New(rand.NewPCG(o.seed, 2))); err != nil {
		return err
	}
	v, err := o.verify(ctx, u.binary, u.dir)
	if err != nil {
		return err
	}
	named := map[string]int64{}
	for _, d := range v.Damage {
		if !d.Lost || !d.Exact && !strings.HasSuffix(d.Topic, "state") {
			return fmt.Errorf("broker verify: one damaged batch of %s is reported as %+v", d.Topic, d)
		}
		named[judged(strings.TrimPrefix(d.Topic, prefix))] += d.LastOffset - d.FirstOffset + 1
	}
	fmt.Printf("crash: damaged a batch in each of %d logs; records that are gone: %v\n", len(v.Damage), named)
	if len(v.Damage) < len(topics) {
		return fmt.Errorf("there is not a log to damage of each topic (%s): give it more businesses", o.rotten)
	}
	if err := u.start(ctx); err != nil {
		return err
	}
	if err := o.onlyNamed(ctx, u, truth, named); err != nil {
		return err
	}

	second := filepath.Join(u.dir, "second.jsonl")
	simulate := exec.CommandContext(ctx, u.binary, "simulate", "--data-dir", u.dir, "--truth", second, "--businesses", strconv.Itoa(o.businesses),
		"--messages", strconv.Itoa(o.messages), "--seed", strconv.FormatUint(o.seed+1, 10))
	simulate.Stdout, simulate.Stderr = os.Stdout, os.Stderr
	if err := simulate.Run(); err != nil {
		return fmt.Errorf("simulate a second world: %w", err)
	}
	check := exec.CommandContext(ctx, u.binary, "check", "--data-dir", u.dir, "--truth", second, "--wait", o.wait.String())
	check.Stdout, check.Stderr = os.Stdout, os.Stderr
	if err := check.Run(); err != nil {
		return fmt.Errorf("check of the world after the damage: %w", err)
	}
	fmt.Println("crash: the world after the damage is complete")
	return nil
}

// learntFromRaw lists the faults that check rightly reports if bodies are gone from the raw log. It learns from that
// log the sent bodies and their order. So it does not expect the events of these bodies, the placeholder of a media
// follow-up in one of them, or their part in a contact or a sync.
var learntFromRaw = []string{"unexpected", "out_of_order", "wrong_content", "wrong_table"}

// liveTopics may have events twice where a batch of `state` is gone: with one batch go both what says that a deferred record was
// processed, and what knows its messages again (ADR 0037). deferredInABatch bounds how many.
var liveTopics = []string{"messages", "echoes", "account", "other"}

const deferredInABatch = 100

// onlyNamed holds the verdict of `check` against the records that are known to be gone.
func (o *options) onlyNamed(ctx context.Context, u *upProcess, truth string, named map[string]int64) error {
	check := exec.CommandContext(ctx, u.binary, "check", "--data-dir", u.dir, "--truth", truth, "--wait", "20s", "--output", "json")
	var out bytes.Buffer
	check.Stdout, check.Stderr = &out, os.Stderr
	if err := check.Run(); check.ProcessState == nil || out.Len() == 0 {
		return fmt.Errorf("check of a damaged world: %w", err)
	}
	var verdict struct {
		Topics []struct {
			Topic  string           `json:"topic"`
			Faults map[string]int64 `json:"faults"`
		} `json:"topics"`
	}
	if err := json.Unmarshal(out.Bytes(), &verdict); err != nil {
		return fmt.Errorf("check of a damaged world: %w", err)
	}
	lost := int64(0)
	for _, t := range verdict.Topics {
		for fault, n := range t.Faults {
			if named["raw.*"] > 0 && slices.Contains(learntFromRaw, fault) {
				continue
			}
			if named[judged("state")] > 0 && fault == "duplicated" && slices.Contains(liveTopics, t.Topic) && n <= deferredInABatch {
				continue
			}
			if n > 0 && (fault != "lost" || n > named[t.Topic]) {
				return fmt.Errorf("check of a damaged world: %s: %d %s; %d records were damaged\n%s", t.Topic, n, fault, named[t.Topic], out.Bytes())
			}
			lost += n
		}
	}
	if delete(named, ""); lost == 0 && len(named) > 0 {
		return errors.New("check of a damaged world misses nothing: the damage was not where it looks")
	}
	fmt.Printf("crash: check misses %d events and bodies, all of them named\n", lost)
	return nil
}

// damageLogs flips eight bytes in the middle of a batch of records, in one partition of each topic.
func damageLogs(partitions string, topics []string, rng *rand.Rand) error {
	for _, topic := range topics {
		logs, err := filepath.Glob(filepath.Join(partitions, prefix+topic+"-*", "*.dat"))
		if err != nil {
			return err
		}
		slices.Sort(logs)
		rng.Shuffle(len(logs), func(i, j int) { logs[i], logs[j] = logs[j], logs[i] })
		for _, path := range logs {
			done, err := damageLog(path, rng)
			if err != nil {
				return fmt.Errorf("damage %s: %w", path, err)
			}
			if done {
				break
			}
		}
	}
	return nil
}

// The layout of a record batch, as far as it is needed to hit the records of one.
const (
	batchHead    = 61
	batchLength  = 8 // the length of the rest behind these twelve bytes
	batchAttrs   = 21
	controlBatch = 0x20
)

func damageLog(path string, rng *rand.Rand) (bool, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	var batches [][2]int
	for pos := 0; pos+batchHead < len(b); {
		size := 12 + int(binary.BigEndian.Uint32(b[pos+batchLength:]))
		if binary.BigEndian.Uint16(b[pos+batchAttrs:])&controlBatch == 0 && size > batchHead+16 {
			batches = append(batches, [2]int{pos, size})
		}
		pos += size
	}
	if len(batches) == 0 {
		return false, nil
	}
	at := batches[rng.IntN(len(batches))]
	middle := at[0] + batchHead + (at[1]-batchHead)/2
	for i := range 8 {
		b[middle+i] ^= 0x5a
	}
	return true, os.WriteFile(path, b, 0o600)
}
