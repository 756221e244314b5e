// Package truth is the ground truth of a simulated run: the sent bodies, the responses, and the expected content of the
// topics.
//
// The file is JSON lines, written during the run. A simulator that is stopped leaves a truth that is valid up to that
// moment. In order of appearance:
//
//	head    once, first: version, seed, start, configuration without secrets
//	number  each business phone number, before any body
//	body    each body when it is first handed to the network: its hash, and its parts as values
//	sent    each delivery of a body that ended: acknowledged or given up. A body may have several
//	end     once, last; absent when the run was cut short
//
// The parts describe the body: its chunks, and its messages with their wamids, ranks and digests of their verbatim
// objects. They do not describe the work of a processor: the judge computes order, deduplication and joins. Only a body
// with an acknowledged delivery is owed; the others may or may not have been kept.
package truth

// Version is the version of the file's format.
const Version = 2
