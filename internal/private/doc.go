// Package private keeps files for one user alone: folders with mode 0700, files with 0600.
//
//   - Files are opened without following links, and only regular files of this user or of root are used. So a user who
//     could once write into a folder cannot redirect a write or a read.
//   - A folder of another user is refused. Access of others to a folder is removed, with a line in the log.
//   - A folder of root that this user may only write to is used as it is, because containers mount volumes like this. New
//     files in it are private.
//
// A folder itself may be reached through a link, if the link is this user's or root's.
package private
