// Package people finds the other side of an item: of a live or past message, an echo, a status, an error. It is the
// only source of an item's direction, chat, contact and profiles.
//
// An item names people in many ways: from, to, recipient_id, each also as a business-scoped user id and as that of a
// parent business; participants of a group; the user in a system message; the thread of a history chunk. The array
// value.contacts[] of a change adds more of the same person. The result is a Side:
//
//   - Contact is the WhatsApp user; in a group, the participant. The ids of the item come first, then those of the
//     matching entries of contacts[]. An entry matches by its phone number, in either spelling (package identity), or
//     by its user id. Only an item that names nobody takes the only person of contacts[].
//   - Thread is the chat: the group, else the contact's phone number in digits, else its user id, else its former id.
//     It is empty if nobody is named. Numbers are never rewritten to their other spelling.
//   - Direction is relative to the business; it is unknown if nothing shows it.
//
// A Finder allocates nothing for common items. Its results refer to the body, and are valid until its next call.
package people
