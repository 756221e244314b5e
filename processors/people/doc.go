// Package people says who is on the other side of an item: of a message of the past or of now, an echo, a status, an
// error. Everything that asks for the direction, the chat, the contact or the profiles of an item asks here.
//
// An item names people in many ways: from, to, recipient_id, each also as a business-scoped user id and as that of a
// parent business; participants of a group; the user in a system message; the thread of a history chunk. The array
// value.contacts[] of a change adds what it knows of the same person. What comes of it is a Side:
//
//   - Contact is the WhatsApp user, in a group the participant: first what the item says, then what the matching
//     entries of contacts[] say. An entry matches by its phone number, in either spelling (package identity), or by
//     its user id. Only an item that names nobody takes the only person of contacts[].
//   - Thread is the chat: the group, else the contact's phone number in digits, else its user id, else the one that it had
//     before. It is empty where nobody is named. Numbers are never rewritten to their other spelling.
//   - Direction is seen from the business; what cannot be known is unknown.
//
// A Finder allocates nothing for items as they mostly are. What it returns refers to the body, and is valid until its
// next call.
package people
