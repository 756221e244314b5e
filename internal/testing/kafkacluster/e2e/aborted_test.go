package e2e

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/coexstream/coexstream/schemas"
)

// Records of a transaction that the processor did not commit stay in the log, and no read-committed reader may see
// them.
func TestForeignClientsSeeNothingOfAbortedTransactions(t *testing.T) {
	c := cluster(t)
	s := newStage(t, c.Addrs(), 3, 2)
	s.up()
	adm, err := c.Admin()
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	w := steady
	w.live = 1800
	l := s.load(w)
	l.last() // check reports on one world
	s.underLoad(l, 200)
	for i := range s.processors {
		s.killWithinTransaction(adm, i)
		s.underLoad(l, 100)
	}
	verdict := s.check(l.end()[0])
	s.down()

	var names []string
	for _, topic := range events {
		names = append(names, topic.Name(s.prefix))
	}
	committed, written := 0, 0
	for _, records := range read(t, c.Addrs(), s.prefix) {
		committed += len(records)
	}
	eachRecord(t, c, names, kgo.ReadUncommitted(), func(*kgo.Record) { written++ })
	t.Logf("%d events are in the log, %d of them were aborted", written, written-committed)
	if written <= committed {
		t.Errorf("%d events are in the log and %d are committed: nothing was aborted, the clients could see too much unnoticed", written, committed)
	}
	foreignClientsSee(t, c, s, verdict)
}

// killWithinTransaction kills a processor with -9 while events of it are in the log that it has not committed, and
// starts it again under its name.
func (s *stage) killWithinTransaction(adm *kadm.Client, i int) {
	s.t.Helper()
	p, instance := s.processors[i], fmt.Sprintf("processor-%d", i)
	until(s.t, instance+" is stopped within a transaction", func() bool {
		if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			s.t.Fatal(err)
		}
		if s.uncommitted(adm, s.group+"-"+instance) {
			return true
		}
		if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			s.t.Fatal(err)
		}
		return false
	})
	if err := p.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	<-p.ended
	s.processors[i] = s.start(instance+"-again", "process", "--instance-id", instance)
	s.processors[i].awaitReady()
}

// uncommitted reports whether a transaction with events is still open.
func (s *stage) uncommitted(adm *kadm.Client, transactionalID string) bool {
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	described, err := adm.DescribeTransactions(ctx, transactionalID)
	if err != nil {
		return false // a coordinator that moved: again
	}
	txn := described[transactionalID]
	if txn.Err != nil || txn.State != "Ongoing" {
		return false
	}
	var topics []string
	for _, topic := range txn.Topics.Topics() {
		if slices.ContainsFunc(events, func(e schemas.Topic) bool { return e.Name(s.prefix) == topic }) {
			topics = append(topics, topic)
		}
	}
	if len(topics) == 0 {
		return false
	}
	stable, err := adm.ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return false
	}
	ends, err := adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return false
	}
	open := false
	ends.Each(func(end kadm.ListedOffset) {
		last, ok := stable.Lookup(end.Topic, end.Partition)
		open = open || ok && txn.Topics.Lookup(end.Topic, end.Partition) && last.Offset < end.Offset
	})
	return open
}
