// Package media joins the assets of past messages with their placeholders. A history chunk says only that
// there was an asset (`media_placeholder`); a follow-up with the same wamid brings it, for messages of the
// last 14 days, before or after the chunk, or never (FIELD-NOTES, History).
//
// A Book belongs to one phone number. It remembers the placeholders that a follow-up can still come for,
// and holds follow-ups that came too early, with their bytes, until the placeholder comes or the hold is
// over. It joins on the wamid only: the placeholder's thread, direction and time win, because in Meta's own
// sample those of the follow-up differ.
//
// It is pure: time is what its caller says. It drops nothing: a follow-up that cannot be held is the
// caller's to emit at once.
package media
