// Package private keeps files for one user alone: folders with mode 0700, files with 0600.
//
//   - Files are opened without following links, and only regular files of this user or of root are used, so that
//     nobody who could once write into a folder leads a write or a read elsewhere.
//   - A folder that belongs to somebody else is refused. One that is open to others is closed, with a line in the log.
//   - A folder of root that this user may only write to is taken as it is: that is how volumes are mounted into
//     containers. What is made in it is private by itself.
//
// A folder itself may be reached through a link, if the link is this user's or root's.
package private
