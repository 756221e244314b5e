package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/coexstream/coexstream/internal/config"
	"github.com/coexstream/coexstream/internal/invalid"
)

// Exit codes. They are part of the interface, because scripts rely on them.
const (
	ExitOK          = 0
	ExitFailure     = 1   // an error
	ExitUsage       = 2   // flags, arguments or configuration are wrong; nothing was done
	ExitFaults      = 3   // a check found faults, or a person has to act; exitHelp lists the commands
	ExitInterrupted = 130 // a signal ended a command that had not finished, or a second signal cut a drain short
)

const exitHelp = `Exit codes:
  0    success; for up, ingress and process: drained after a signal
  1    failure; the last line has the reason
  2    invalid flags, arguments or configuration; nothing was done
  3    check, doctor, spool verify, spool drain, broker verify or sink archive verify found faults; topics
       verify found differences; replay skipped bodies with invalid signatures; a check of sync plan or
       sync start failed; or a person has to decide after sync watch
  130  interrupted: before the end of simulate, check, replay or spool drain, or by a second signal
       during a drain`

// usageError is an error of the command line.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// errFaults ends a command that found faults and has printed them.
var errFaults = errors.New("faults found")

func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, errFaults):
		return ExitFaults
	case errors.As(err, &usage), errors.Is(err, config.ErrInvalid):
		return ExitUsage
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	}
	return ExitFailure
}

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// invalidUsage is the error for the value of a flag or an argument.
func invalidUsage(key string, value any, allowed string, args ...any) error {
	return usageError{invalid.Value(key, value, allowed, args...)}
}
