// Package office runs the desk: it writes the log, sends the requests, gathers the facts of a preflight, and answers over HTTP.
//
//   - An intent is durable, in the log and in the raw log, before its request is sent. The log is a topic with one partition
//     (Topic), written with acks=all and read back. Only the instance whose entry counts sends the request.
//   - A request is sent once for each intent. Its outcome is written until the log takes it, or the process ends.
//   - Tokens are read when they are needed, from files or a command. They stay in this process and in the request.
//
// Every exported method is safe for concurrent use.
package office
