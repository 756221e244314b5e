// Package media downloads the media assets that events name, before their providers remove them, and keeps them in a bucket under the hash
// of their content. Package plan decides; this package reads, downloads, writes and commits.
//
// For each asset the sink
//
//  1. looks for the content in the bucket, if its hash was announced: then nothing is downloaded;
//  2. looks up the id with the token of the business, and downloads from the URL of the answer, into a file. A connection that ends early is
//     continued where it ended, also by another process with the same folder;
//  3. compares the hash, looks at the first bytes, and writes the content where the bucket has none of its name;
//  4. publishes the outcome on the topic `assets`, and then commits the offset of the event.
//
// Guarantees:
//
//   - Every asset has one record in `assets`. The committed offsets contain where `assets` was read up to. A process that takes a partition over
//     reads the records behind it first, so a kill between the steps 3 and 4, or within 4, repeats none of them. A process that was suspended
//     while it wrote can repeat a record, with the same ce_id.
//   - A content is in the bucket as a whole, with the announced hash, before its record is written.
//   - A token goes to the provider's API, and to the configured hosts only (package graph).
//   - Memory does not depend on the size of an asset.
package media
