// Package syncstatus says in plain English how the history of a number stands, for people who support a business.
//
// Sentence depends on a sync and a time only. It says which messages are there, which are missing, until when they are
// waited for, and the next step. It has no token, and of the vendor's texts at most 120 characters.
package syncstatus
