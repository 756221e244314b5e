// Package identity compares the ids by which webhooks name people and numbers: phone numbers in their spellings,
// business-scoped user ids, and groups. It holds nothing and rewrites nothing: a number keeps the spelling that a
// webhook gave it, in digits alone.
//
// Some mobile numbers have two spellings, and WhatsApp uses both (docs/webhooks.md):
//   - Brazil: 55, area code, with or without a 9 in front of the eight digits. A landline has eight digits, too: it is taken
//     for the mobile number with these digits;
//   - Mexico: 52, with or without a 1 in front of the ten digits;
//   - Argentina: 54, with or without a 9 in front of the ten digits.
package identity
