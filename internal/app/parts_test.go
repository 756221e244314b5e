package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

func quietParts() *parts { return newParts(slog.New(slog.DiscardHandler)) }

// A part ends only after everything that was started later, and may use it, has ended.
func TestPartsStopInReverseOrder(t *testing.T) {
	p := quietParts()
	ended := make(chan string, 3)
	for _, name := range []string{"broker", "processor", "ingress"} {
		p.start(name, func(ctx context.Context) error {
			<-ctx.Done()
			ended <- name
			return nil
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.wait(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.stop(time.Minute); err != nil {
		t.Fatal(err)
	}
	close(ended)
	var order []string
	for name := range ended {
		order = append(order, name)
	}
	if !slices.Equal(order, []string{"ingress", "processor", "broker"}) {
		t.Errorf("ended in the order %v", order)
	}
}

func TestFirstFailureStopsAll(t *testing.T) {
	p := quietParts()
	failure := errors.New("disk full")
	stopped := false
	p.start("broker", func(ctx context.Context) error {
		<-ctx.Done()
		stopped = true
		return nil
	})
	p.start("ingress", func(context.Context) error { return failure })
	if err := p.wait(t.Context()); !errors.Is(err, failure) || !strings.Contains(err.Error(), "ingress") {
		t.Errorf("%v", err)
	}
	if err := p.stop(time.Minute); !errors.Is(err, failure) || !stopped {
		t.Errorf("stopped %v, err %v", stopped, err)
	}
}

func TestPartThatEndsByItselfHasFailed(t *testing.T) {
	p := quietParts()
	p.start("processor", func(context.Context) error { return nil })
	if err := p.wait(t.Context()); err == nil || !strings.Contains(err.Error(), "processor: ended by itself") {
		t.Errorf("%v", err)
	}
}

func TestPartThatDoesNotStopIsToldAndLeftBehind(t *testing.T) {
	p := quietParts()
	never := make(chan struct{})
	defer close(never)
	ended := make(chan struct{})
	p.start("broker", func(ctx context.Context) error {
		<-ctx.Done()
		close(ended)
		return nil
	})
	p.start("stuck", func(context.Context) error {
		<-never
		return nil
	})
	err := p.stop(10 * time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "stuck: did not stop within shutdown_timeout") {
		t.Errorf("%v", err)
	}
	select {
	case <-ended:
	default:
		t.Error("the part below was not stopped in order")
	}
}

func TestPollEndsWithTheFailureOfAPart(t *testing.T) {
	p := quietParts()
	failure := errors.New("no topics")
	notReady := errors.New("not ready")
	tries := 0
	if err := p.poll(t.Context(), func() error {
		if tries++; tries < 3 {
			return notReady
		}
		return nil
	}); err != nil || tries != 3 {
		t.Errorf("%d tries, err %v", tries, err)
	}
	p.start("publisher", func(context.Context) error { return failure })
	if err := p.poll(t.Context(), func() error { return notReady }); !errors.Is(err, failure) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.poll(ctx, func() error { return notReady }); !errors.Is(err, notReady) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
