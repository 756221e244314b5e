// Package account reads account_update events: which of them part two onboardings of a number, and which
// numbers they are about. It holds nothing and decides nothing about order; duplicated, late and out of
// order events are sorted out by their event id and by package history.
package account
