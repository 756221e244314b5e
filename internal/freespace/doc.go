// Package freespace asks the file system how many bytes are free on the disk of a folder.
package freespace
